// Asks the service while a person types. What comes back, and what was typed, is only ever set as text.
"use strict";

const NEAR_MISSES = 3;
// Product types of another store.
const SHOWN = 3;
// Long enough that a word typed in one go is one request.
const PAUSE_MILLISECONDS = 120;
// A store that no model knows: language and region that are not determined.
const NO_STORE = "und-ZZ";

const at = (id) => document.getElementById(id);
const [locale, query] = [at("locale"), at("query")];
let release = null;
let asking = null;
let pause = null;

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function storeName(code) {
  if (code === NO_STORE) return "A store that the model does not know";
  const [language, region] = [code.split("-")[0], code.split("-").at(-1)];
  const name = (type, part) => new Intl.DisplayNames(["en"], { type }).of(part);
  return `${name("region", region)}, ${name("language", language)} (${code})`;
}

function models() {
  return Object.entries(release.models);
}

function stores() {
  const known = models().flatMap(([, model]) => model.locales);
  const other = models().some(([, model]) => model.other_locales) ? [NO_STORE] : [];
  return [...new Set([...known, ...other])];
}

function answers(model, store) {
  return model.other_locales || model.locales.includes(store);
}

async function start() {
  at("release").textContent = "Asking for the release…";
  const response = await fetch("/model");
  if (!response.ok) throw new Error(`the service answers ${response.status}`);
  release = await response.json();
  at("release").textContent = `Release ${release.release}: ${models().map(([name]) => name).join(", ")}`;
  locale.replaceChildren(...stores().map((code) => new Option(storeName(code), code)));
  const asked = new URLSearchParams(location.hash.slice(1));
  if (stores().includes(asked.get("locale"))) locale.value = asked.get("locale");
  query.value = asked.get("query") ?? query.value;
  ask();
}

function questions(text, store) {
  return models().filter(([, model]) => answers(model, store)).map(([model]) => ({ query: text, locale: store, model }));
}

async function ask() {
  clearTimeout(pause);
  asking?.abort();
  const text = query.value;
  history.replaceState(null, "", `#${new URLSearchParams({ locale: locale.value, query: text })}`);
  if (!release || !text.trim()) {
    show([], []);
    say("Type what a shopper would type.");
    return;
  }
  const here = questions(text, locale.value).map((question) => ({ ...question, near_misses: NEAR_MISSES }));
  const elsewhere = stores().filter((store) => store !== locale.value).flatMap((store) => questions(text, store));
  asking = new AbortController();
  const started = performance.now();
  try {
    const response = await fetch("/predict/batch", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ questions: [...here, ...elsewhere] }),
      signal: asking.signal,
    });
    if (response.status === 429) return again(response);
    const body = await response.json();
    if (!response.ok) return complain(body.detail);
    // The service may have switched to another release since this page asked for it.
    if (body.answers[0].release !== release.release) return start();
    show(body.answers.slice(0, here.length), body.answers.slice(here.length));
    const found = Math.max(...body.answers.slice(0, here.length).map((answer) => answer.product_types.length));
    const duration = Math.round(performance.now() - started);
    say(`${found || "No"} product type${found === 1 ? "" : "s"} in ${storeName(locale.value)}; ${duration} ms for all stores.`);
  } catch (error) {
    if (error.name !== "AbortError") complain("The service does not answer. It is asked again as soon as you type.");
  }
}

function again(response) {
  const seconds = Number(response.headers.get("Retry-After")) || 1;
  say(`The service is busy: asking again in ${seconds} s.`);
  pause = setTimeout(ask, seconds * 1000);
}

function say(text) {
  at("problem").hidden = true;
  at("status").textContent = text;
}

function complain(text) {
  show([], []);
  at("status").textContent = "";
  at("problem").textContent = text;
  at("problem").hidden = false;
}

function show(here, elsewhere) {
  at("here").hidden = !here.length;
  at("elsewhere").hidden = !elsewhere.length;
  at("models").replaceChildren(...here.map(card));
  at("columns").replaceChildren(...["Store", ...models().map(([name]) => name)].map(header));
  const first = new Map(here.map((answer) => [answer.model, answer.product_types[0]?.product_type]));
  const others = [...new Set(elsewhere.map((answer) => answer.locale))];
  at("stores").replaceChildren(...others.map((store) => row(store, elsewhere.filter((one) => one.locale === store), first)));
}

function header(text) {
  const made = element("th", text);
  made.scope = "col";
  return made;
}

function card(answer) {
  const made = element("article");
  const title = element("h3", answer.model);
  if (release.models[answer.model].serves) {
    made.className = "serves";
    title.append(element("span", "serves", "tag"));
  }
  made.append(title);
  if (answer.used_unknown_locale) made.append(element("p", "The model does not know this store: asked as an unknown one.", "note"));
  if (answer.product_types.length) made.append(list(answer.product_types));
  else made.append(element("p", "No product type reaches its threshold.", "note"));
  if (answer.near_misses.length) made.append(element("h4", "Below their thresholds"), list(answer.near_misses, "missed"));
  return made;
}

function list(types, className) {
  const made = element("ol", undefined, className);
  made.append(...types.map(item));
  return made;
}

function item(type) {
  const made = element("li");
  const bar = element("meter");
  bar.value = type.score;
  bar.setAttribute("aria-hidden", "true");
  made.append(element("span", type.product_type), element("span", type.score.toFixed(3) + limit(type), "score"), bar);
  return made;
}

function limit(type) {
  if (type.threshold === undefined) return "";
  return type.threshold === null ? ", never given" : ` < ${type.threshold.toFixed(3)}`;
}

function row(store, found, first) {
  const made = element("tr");
  const head = element("th");
  head.scope = "row";
  const button = element("button", storeName(store));
  button.type = "button";
  button.addEventListener("click", () => go(store));
  head.append(button);
  made.append(head, ...models().map(([name]) => cell(found.find((answer) => answer.model === name), first.get(name))));
  return made;
}

function cell(answer, first) {
  const made = element("td");
  if (!answer) return made;
  const types = answer.product_types.slice(0, SHOWN);
  for (const type of types) made.append(element("span", `${type.product_type} ${type.score.toFixed(2)}`, "type"));
  if (!types.length) made.append(element("span", "none", "note"));
  if (first && types.length && types[0].product_type !== first) made.append(element("b", "other", "differs"));
  return made;
}

function go(store) {
  locale.value = store;
  locale.focus();
  ask();
}

at("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
query.addEventListener("input", () => {
  clearTimeout(pause);
  pause = setTimeout(ask, PAUSE_MILLISECONDS);
});
locale.addEventListener("change", ask);
start().catch((error) => complain(`The page could not start: ${error.message}.`));
