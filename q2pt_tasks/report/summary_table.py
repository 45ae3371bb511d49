"""The run's result as one table of plain text, for a terminal of 100 columns."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter

from q2pt_tasks.report.tables import ALL, Scores, Summary, in_order

GAP = "  "


def summary_table(summary: Mapping[str, Any]) -> str:
    """Recall on test, a row per locale (`all` first, then by support), a column per variant: micro / macro, and n.

    `summary` is what `metrics/summary.json` holds. n is the number of positives (query, type pairs) behind micro
    recall, the largest where variants differ. A dash stands for what is not defined.

    Raises:
        ValueError: the summary lacks a key, has a value of the wrong type, or gives one figure twice.
    """
    parsed = TypeAdapter(Summary).validate_python(summary)
    scores, variants = Scores(parsed.rows), in_order(row.variant for row in parsed.rows)
    support = {locale: _support(scores, variants, locale) for locale in {row.locale for row in parsed.rows} | {ALL}}
    locales = sorted(support, key=lambda locale: (locale != ALL, -support[locale], locale))
    body = [
        [locale, str(support[locale]), *(_cell(scores, variant, locale) for variant in variants)] for locale in locales
    ]
    title = f"Recall at precision {parsed.precision:g} on test, micro / macro; n: positives behind micro recall"
    return "\n".join([title, *_lines(_headers(variants), body), *_coverage(scores, variants)])


def _coverage(scores: Scores, variants: Sequence[str]) -> list[str]:
    """What macro figures leave out; the same for every variant, for it depends on the test set alone."""
    for variant in variants:
        types, traffic = (scores.value(variant, metric, ALL) for metric in ("type_coverage", "traffic_coverage"))
        if types is not None and traffic is not None:
            return [
                f"Macro over all: {types:.1%} of the product types with a positive, which have {traffic:.1%} of "
                "the positives."
            ]
    return []


def _support(scores: Scores, variants: Sequence[str], locale: str) -> int:
    return round(max((scores.n(variant, "micro_recall", locale) or 0 for variant in variants), default=0))


def _cell(scores: Scores, variant: str, locale: str) -> str:
    micro, macro = (_short(scores.value(variant, metric, locale)) for metric in ("micro_recall", "macro_recall"))
    return f"{micro:>4}/{macro:>4}"


def _short(share: float | None) -> str:
    """Four characters: `.512`, `1.00`."""
    if share is None:
        return "-"
    text = f"{share:.3f}"
    return text[1:] if text.startswith("0") else text[:4]


def _headers(variants: Sequence[str]) -> list[list[str]]:
    """The header's lines: the words of a variant's name stand one below the other, so that columns stay narrow."""
    names = [["locale"], ["n"], *(variant.split("_") for variant in variants)]
    height = max(map(len, names))
    padded = [[""] * (height - len(words)) + words for words in names]
    return [list(line) for line in zip(*padded, strict=True)]


def _lines(headers: list[list[str]], body: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*headers, *body, strict=True)]
    rule = ["-" * width for width in widths]
    return [_line(cells, widths) for cells in [*headers, rule, *body]]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        cell.ljust(width) if place == 0 else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return GAP.join([first, *others]).rstrip()
