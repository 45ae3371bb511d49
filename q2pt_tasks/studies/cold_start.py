"""A store that opens: without queries of its own, then with the first 50, 200 and 1000 of them."""

from collections.abc import Mapping, Sequence

from q2pt_tasks.layout import Layout
from q2pt_tasks.model.examples import FloatMatrix
from q2pt_tasks.model.scorers import Scorer
from q2pt_tasks.model.variants import NON_UNIFIED, UNIFIED_AGNOSTIC, UNIFIED_AWARE, UNIFIED_VARIANTS
from q2pt_tasks.studies.charts import Lines, line_chart
from q2pt_tasks.studies.measuring import AVERAGE_PRECISION, RECALL, Examination, mean
from q2pt_tasks.studies.pages import table
from q2pt_tasks.studies.study import Figures, Options, Page, Run
from q2pt_tasks.studies.taxonomy import own_files, taxonomy_changes

OPEN = ("en-US", "fr-FR", "es-ES", "nl-NL", "ru-RU")
NEW = ("de-DE", "pl-PL", "tr-TR", "ja-JP")
SIZES = (0, 50, 200, 1000)
LAYERS = 3
AS_UNKNOWN = "unified_aware, as an unknown store"
SERIES = (NON_UNIFIED, UNIFIED_AGNOSTIC, UNIFIED_AWARE, AS_UNKNOWN)
CHANGES = {**taxonomy_changes((*OPEN, *NEW)), "encoder.keep_layers": LAYERS}
# No store's name, so that every model asks for it as for a store that it does not know.
NOWHERE = "zz-ZZ"


class AsUnknown:
    """Scores of a unified model that is asked for a store which it does not know."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def scores(self, queries: Sequence[str], locale: str) -> FloatMatrix:  # noqa: ARG002 - the scorers' common form
        return self._scorer.scores(queries, NOWHERE)


def runs(options: Options) -> Sequence[Run]:
    """Every size, of all new stores at once."""
    return [
        Run(
            f"{size} queries",
            {**CHANGES, **own_files(options), "split.keep_queries": dict.fromkeys(NEW, size)},
            unified=UNIFIED_VARIANTS,
            own=NEW if size else (),
        )
        for size in SIZES
    ]


def measure(run: Run, layout: Layout) -> Figures:
    """The figures of the new stores, each way of asking with thresholds of its own."""
    shop = Examination(layout)
    aware = shop.scorer(UNIFIED_AWARE)
    asked: dict[str, tuple[Examination, Scorer]] = {
        UNIFIED_AGNOSTIC: (shop, shop.scorer(UNIFIED_AGNOSTIC)),
        UNIFIED_AWARE: (shop, aware),
        AS_UNKNOWN: (shop, AsUnknown(aware)),
    }
    if run.own:
        new = Examination(layout, NEW)
        asked[NON_UNIFIED] = (new, new.scorer(NON_UNIFIED))
    figures = {name: examination.examine(scorer).figures() for name, (examination, scorer) in asked.items()}
    return {name: {store: found[store] for store in NEW} for name, found in figures.items()}


def page(results: Mapping[str, Figures]) -> Page:
    recall = {name: [_mean(one, name, RECALL) for one in results.values()] for name in SERIES}
    title = "Micro recall at precision 0.8 in new stores against the number of their queries, mean of four"
    return Page(
        introduction=INTRODUCTION,
        sections={
            "Mean of the four stores: recall": _table(results, RECALL),
            "Mean of the four stores: average precision": _table(results, AVERAGE_PRECISION),
            "Every store: recall": _store_table(results),
        },
        plot=line_chart(Lines([str(size) for size in SIZES], recall), title, "queries of the new store", "recall"),
        plot_says=title,
        conclusion=_conclusion(results),
        limits=LIMITS,
        changes=CHANGES,
    )


INTRODUCTION = (
    "Google's product taxonomy. Five stores are open. Four more, whose languages none of the five speaks, open with "
    "no query, then with 50, 200 and 1000 of their own for training and validation; their test sets stay whole. "
    "Micro recall at precision 0.8; a store without validation queries takes the thresholds of the others. The "
    "encoder's first three layers. *As an unknown store*: unified_aware is given its unknown-locale token whether "
    "it knows the store or not; with no query of the store this is what it is asked with, and its row beside it has "
    "a token of the store that nothing has trained."
)
LIMITS = (
    "All four stores open at once, so that each is learned beside three other small ones.",
    "One seed.",
    "The taxonomy says the same in every store; where words mean other things, a store needs its own queries more.",
)


def _mean(figures: Figures, name: str, metric: str) -> float | None:
    return mean([figures[name][store][metric] for store in NEW]) if name in figures else None


def _table(results: Mapping[str, Figures], metric: str) -> str:
    rows = [[name, *(_mean(one, name, metric) for one in results.values())] for name in SERIES]
    return table(["", *results], rows)


def _store_table(results: Mapping[str, Figures]) -> str:
    rows = [
        [store, name, *(one[name][store][RECALL] if name in one else None for one in results.values())]
        for store in NEW
        for name in SERIES
    ]
    return table(["store", "variant", *results], rows)


def _conclusion(results: Mapping[str, Figures]) -> list[str]:
    *_, last = results.values()
    first = results[next(iter(results))]
    unknown, untrained = (_mean(first, name, RECALL) for name in (AS_UNKNOWN, UNIFIED_AWARE))
    return [
        f"Without a query of the store, {UNIFIED_AGNOSTIC} finds {_mean(first, UNIFIED_AGNOSTIC, RECALL):.3f} of what "
        f"shoppers mean there, {UNIFIED_AWARE} {unknown:.3f} with its unknown-locale token and {untrained:.3f} with a "
        "token that nothing has trained.",
        f"With {SIZES[-1]} queries: {', '.join(f'{name} {_mean(last, name, RECALL):.3f}' for name in SERIES)}.",
    ]
