"""Pairs of stores: which queries mean other things, of what kind, and which variant knows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from q2pt_tasks.data.queries import normalise_query
from q2pt_tasks.data.schema import Locales
from q2pt_tasks.layout import Layout, catalog_file
from q2pt_tasks.model.scorers import CheckpointScorer
from q2pt_tasks.model.variants import NON_UNIFIED, UNIFIED_VARIANTS
from q2pt_tasks.params import read_section
from q2pt_tasks.plain_text import in_markdown
from q2pt_tasks.sources.synthetic.source import PlantedQuery, planted_queries
from q2pt_tasks.stages.ingest import IngestParams
from q2pt_tasks.stages.split import SplitParams
from q2pt_tasks.studies.charts import Bars, bar_chart
from q2pt_tasks.studies.divergence import KINDS, Divergence, Ranking, find_divergences, judge, read_meanings
from q2pt_tasks.studies.measuring import sold_types
from q2pt_tasks.studies.pages import table
from q2pt_tasks.studies.study import Figures, Options, Page, Run

VARIANTS = (NON_UNIFIED, *UNIFIED_VARIANTS)
# Queries that the page shows of each kind, and places of the ranking that it is judged at.
SHOWN = 6
PLACES = (50, 100, 200, 400, 800)
RANKINGS = ("all pairs", "pairs of one language", "sorted as dialect")

FloatVector = NDArray[np.float32]
Asked = tuple[str, str]  # locale and query
Pair = tuple[str, tuple[str, str]]  # query and locales


def runs(options: Options) -> Sequence[Run]:
    """One: the params as they are, on the synthetic log or on one's own."""
    changes = {} if options.own_log else {"ingest.source": "synthetic"}
    locales = read_section(Path("params.yaml"), "locales", Locales)
    return [Run("all", changes, unified=UNIFIED_VARIANTS, own=locales)]


def measure(run: Run, layout: Layout) -> Figures:  # noqa: ARG001 - the studies' common form
    """The ranking, what each variant says of it, and how much of what was planted is found."""
    locales = read_section(layout.params, "locales", Locales)
    labeled = {locale: pq.ParquetFile(layout.labeled / f"history/locale={locale}.parquet").read() for locale in locales}
    ranking = find_divergences(read_meanings(labeled), sold_types(layout))
    held_out = _held_out(layout, ranking)
    shown = [one for kind in KINDS for one in farthest(ranking, kind)]
    best = {variant: _best_types(layout, variant, [*shown, *held_out]) for variant in VARIANTS}
    return {
        "counts": {kind: sum(one.kind == kind for one in ranking) for kind in KINDS},
        "knows": {kind: shares_right([one for one in held_out if one.kind == kind], best) for kind in KINDS},
        "shown": [_row(one, best) for one in shown],
        "planted": _against_planted(layout, locales, ranking, held_out, best),
    }


def farthest(ranking: Iterable[Divergence], kind: str) -> list[Divergence]:
    """The first `SHOWN` queries of a kind, each in the pair of stores where it is farthest apart."""
    by_query: dict[str, Divergence] = {}
    for one in ranking:
        if one.kind == kind:
            by_query.setdefault(one.query, one)
    return list(by_query.values())[:SHOWN]


def _held_out(layout: Layout, ranking: Iterable[Divergence]) -> list[Divergence]:
    """Those whose query no model was trained on."""
    rules = read_section(layout.params, "split", SplitParams).rules()
    return [one for one in ranking if rules.side(one.query) == "test"]


def _best_types(layout: Layout, variant: str, divergences: Iterable[Divergence]) -> dict[Asked, str | None]:
    """The best-scored type of each query in each store that it is asked in; None where there is no model."""
    asked = sorted({(locale, one.query) for one in divergences for locale in one.locales})
    types = _types(layout)
    folder_of = layout.non_unified_model if variant == NON_UNIFIED else lambda _: layout.unified_model(variant)
    scorer = CheckpointScorer(folder_of, types)
    best: dict[Asked, str | None] = {}
    for locale in dict.fromkeys(locale for locale, _ in asked):
        queries = [query for name, query in asked if name == locale]
        scores = scorer.scores(queries, locale)
        best |= {(locale, query): _best(row, types) for query, row in zip(queries, scores, strict=True)}
    return best


def _best(scores: FloatVector, types: Sequence[str]) -> str | None:
    best = int(scores.argmax())
    return None if np.isneginf(scores[best]) else types[best]


def _types(layout: Layout) -> list[str]:
    catalog = pq.read_table(catalog_file(layout.valid), columns=["product_type"])
    return sorted(set(catalog["product_type"].to_pylist()))


def shares_right(divergences: Sequence[Divergence], best: Mapping[str, Mapping[Asked, str | None]]) -> dict[str, Any]:
    """Per variant the share of the divergences whose best types it gives in both stores."""
    shares = {
        variant: sum(_is_right(one, guesses) for one in divergences) / len(divergences) if divergences else None
        for variant, guesses in best.items()
    }
    return {"n": len(divergences), **shares}


def _is_right(one: Divergence, guesses: Mapping[Asked, str | None]) -> bool:
    return all(
        guesses[locale, one.query] == meaning.best for locale, meaning in zip(one.locales, one.meanings, strict=True)
    )


def _row(one: Divergence, best: Mapping[str, Mapping[Asked, str | None]]) -> dict[str, Any]:
    return {
        "query": one.query,
        "locales": one.locales,
        "means": [meaning.best for meaning in one.meanings],
        "clicks": [meaning.clicks for meaning in one.meanings],
        "distance": one.distance,
        "kind": one.kind,
        "predicted": {variant: [best[variant][locale, one.query] for locale in one.locales] for variant in best},
    }


def _against_planted(
    layout: Layout,
    locales: Sequence[str],
    ranking: Sequence[Divergence],
    held_out: Sequence[Divergence],
    best: Mapping[str, Mapping[Asked, str | None]],
) -> dict[str, Any] | None:
    """The ranking against what was planted; None for a log in which nothing was."""
    ingest = read_section(layout.params, "ingest", IngestParams)
    if ingest.source != "synthetic":
        return None
    truth = planted_pairs(planted_queries(ingest.synthetic, locales))
    is_planted = {(one.query, one.locales) for one in ranking} & truth
    same_language = [one for one in ranking if len({locale.split("-")[0] for locale in one.locales}) == 1]
    dialect = [one for one in ranking if one.kind == "dialect"]
    rankings = zip(RANKINGS, (ranking, same_language, dialect), strict=True)
    return {
        "rankings": {name: asdict(_judge(part, truth)) for name, part in rankings},
        "kinds": {
            kind: sum(one.kind == kind and (one.query, one.locales) in is_planted for one in ranking) for kind in KINDS
        },
        "knows": shares_right([one for one in held_out if (one.query, one.locales) in is_planted], best),
    }


def planted_pairs(planted: Iterable[PlantedQuery]) -> set[Pair]:
    """Every planted query with the pairs of stores in which it means other things."""
    meanings: dict[str, dict[str, str]] = {}
    for one in planted:
        meanings.setdefault(normalise_query(one.query), {})[one.locale] = one.product_type
    return {
        (query, (first, second))
        for query, own in meanings.items()
        for first in own
        for second in own
        if first < second and own[first] != own[second]
    }


def _judge(ranking: Sequence[Divergence], truth: set[Pair]) -> Ranking:
    return judge([(one.query, one.locales) for one in ranking], truth, PLACES)


def page(results: Mapping[str, Figures]) -> Page:
    found = results["all"]
    planted = found["planted"]
    sections = {
        "What kinds": _kind_table(found),
        "The farthest apart": _shown_table(found["shown"]),
    }
    if planted is not None:
        sections = {"Against what was planted": _planted_text(planted), **sections}
    groups = [kind for kind in KINDS if found["knows"][kind]["n"]]
    bars = Bars(groups, {variant: [found["knows"][kind][variant] for kind in groups] for variant in VARIANTS})
    title = "Share of held-out divergences of each kind whose best type is right in both stores"
    return Page(
        introduction=INTRODUCTION,
        sections=sections,
        plot=bar_chart(bars, title, "share right in both stores"),
        plot_says=title,
        conclusion=_conclusion(found),
        limits=LIMITS,
    )


INTRODUCTION = (
    "Every query that was typed and labelled in two stores and whose best product type differs between them, ranked "
    "by the distance of its click shares (total variation, each store drawn towards both together by ten clicks). A "
    "kind is told from clicks and catalogs alone: *assortment*, one store does not sell what the other means; "
    "*culture*, they share a type and prefer another; else *dialect* within a language, *language* between two. A "
    "variant knows a divergence where its best-scored type is the store's own in both stores; this is asked of "
    "held-out queries alone."
)
LIMITS = (
    "The rules for the kinds are ours; whether a person would sort the same way was not asked.",
    "A planted query counts as not found where a store's log has too few clicks on it to label it.",
    "One log and one seed.",
)


def _kind_table(found: Figures) -> str:
    rows: list[list[object]] = [
        [kind, found["counts"][kind], found["knows"][kind]["n"], *(found["knows"][kind][name] for name in VARIANTS)]
        for kind in KINDS
    ]
    return table(["kind", "divergences", "held out", *(f"{name} right in both" for name in VARIANTS)], rows)


def _shown_table(shown: Sequence[Mapping[str, Any]]) -> str:
    rows: list[list[object]] = [
        [
            in_markdown(one["query"]),
            " / ".join(one["locales"]),
            in_markdown(" / ".join(one["means"])),
            " / ".join(map(str, one["clicks"])),
            one["distance"],
            one["kind"],
            *(in_markdown(" / ".join(guess or "–" for guess in one["predicted"][name])) for name in VARIANTS),
        ]
        for one in shown
    ]
    return table(["query", "stores", "means", "clicks", "distance", "kind", *VARIANTS], rows)


def _planted_text(planted: Mapping[str, Any]) -> str:
    rows: list[list[object]] = [
        [name, judged["found"], judged["average_precision"], *(judged["at"][place][0] for place in judged["at"])]
        for name, judged in planted["rankings"].items()
    ]
    places = planted["rankings"][RANKINGS[0]]["at"]
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in planted["kinds"].items() if count)
    knows = ", ".join(f"{name} {planted['knows'][name]:.3f}" for name in VARIANTS if planted["knows"]["n"])
    return "\n\n".join(
        [
            f"{planted['rankings'][RANKINGS[0]]['true']:,} planted queries and pairs of stores with other meanings; "
            "precision among the first places of the ranking:",
            table(["ranking", "planted found", "average precision", *(f"first {place}" for place in places)], rows),
            f"Those found are sorted into: {kinds}.",
            f"Of {planted['knows']['n']} held-out ones right in both stores: {knows}.",
        ]
    )


def _conclusion(found: Figures) -> list[str]:
    counts = ", ".join(f"{found['counts'][kind]:,} of kind {kind}" for kind in KINDS)
    lines = [f"Divergences found: {counts}."]
    if (planted := found["planted"]) is not None:
        judged, dialect = (planted["rankings"][name] for name in (RANKINGS[0], RANKINGS[2]))
        found_share = judged["found"] / judged["true"]
        lines += [
            f"Of {judged['true']:,} planted ones {found_share:.0%} are found, with an average precision of "
            f"{judged['average_precision']:.3f} among all pairs of stores.",
            f"{dialect['found']:,} of the {found['counts']['dialect']:,} sorted as dialect are planted ones, with an "
            f"average precision of {dialect['average_precision']:.3f}.",
        ]
        knows = planted["knows"]
        lines.append(
            f"On held-out planted queries both stores' types are right for {knows['unified_aware']:.0%} with "
            f"unified_aware, {knows['non_unified']:.0%} with non_unified, {knows['unified_agnostic']:.0%} with "
            "unified_agnostic, which says the same in every store."
        )
    return lines
