// Makes every table sortable by its headers. Without it all numbers are there, in the order of the report.
"use strict";
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  const headers = [...table.tHead.rows[0].cells];
  headers.forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => sort(body, headers, column));
  });
}

function sort(body, headers, column) {
  const header = headers[column];
  const rows = [...body.rows].filter((row) => !row.classList.contains("pin"));
  const keys = new Map(rows.map((row) => [row, key(row.cells[column])]));
  const numeric = [...keys.values()].every((value) => typeof value !== "string");
  // Numbers show the largest first, words begin with A; a second click turns the order round.
  const before = header.getAttribute("aria-sort");
  const descending = before ? before === "ascending" : numeric;
  rows.sort((a, b) => compare(keys.get(a), keys.get(b), numeric, descending));
  body.append(...rows);
  headers.forEach((other) => other.removeAttribute("aria-sort"));
  header.setAttribute("aria-sort", descending ? "descending" : "ascending");
}

function key(cell) {
  if (cell.dataset.v !== undefined) return Number(cell.dataset.v);
  const text = cell.textContent.trim();
  return text === "–" ? null : text;
}

function compare(a, b, numeric, descending) {
  // What is not known stands last, whatever the order.
  if (a === null || b === null) return (a === null) - (b === null);
  const order = numeric ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true });
  return descending ? -order : order;
}
