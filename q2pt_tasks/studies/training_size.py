"""The training-size curve of small stores for all variants: one shares its language with another, one does not."""

from collections.abc import Mapping, Sequence
from typing import Any

from q2pt_tasks.layout import Layout
from q2pt_tasks.model.variants import NON_UNIFIED, UNIFIED_VARIANTS
from q2pt_tasks.studies.charts import Lines, line_chart
from q2pt_tasks.studies.measuring import AVERAGE_PRECISION, RECALL, Examination, mean_at
from q2pt_tasks.studies.pages import table
from q2pt_tasks.studies.small_shop import SMALL_SHOP
from q2pt_tasks.studies.study import Figures, Options, Page, Run

# The two that are made so small, each of them of middle size before.
SMALL = {"de-AT": "de-DE speaks its language", "pl-PL": "no other store speaks its language"}
SIZES = (30, 100, 200, 400, 1000)
SEEDS = (1,)
VARIANTS = (NON_UNIFIED, *UNIFIED_VARIANTS)
CHANGES: Mapping[str, Any] = {
    **SMALL_SHOP,
    **{f"ingest.synthetic.store_sizes.{locale}": 20 for locale in SMALL},
}


def runs(options: Options) -> Sequence[Run]:
    """Every size, of both stores at once, with every seed."""
    return [
        Run(
            f"{size} queries seed {seed}",
            {**CHANGES, "split.keep_queries": dict.fromkeys(SMALL, size), "seed": seed},
            unified=UNIFIED_VARIANTS,
            own=tuple(SMALL),
        )
        for size in SIZES
        for seed in options.seeds or SEEDS
    ]


def measure(run: Run, layout: Layout) -> Figures:
    """Per variant the figures of the small stores; each variant's thresholds are chosen on the stores that it has."""
    shop, own = Examination(layout), Examination(layout, run.own)
    figures = {variant: shop.examine(shop.scorer(variant)).figures() for variant in UNIFIED_VARIANTS}
    figures[NON_UNIFIED] = own.examine(own.scorer(NON_UNIFIED)).figures()
    (size,) = set(run.changes["split.keep_queries"].values())
    return {"level": size, **{name: {store: found[store] for store in run.own} for name, found in figures.items()}}


def page(results: Mapping[str, Figures]) -> Page:
    recall = {f"{name}, {store}": _curve(results, name, store, RECALL) for store in SMALL for name in VARIANTS}
    title = "Micro recall at precision 0.8 of two stores against the number of their queries"
    return Page(
        introduction=INTRODUCTION,
        sections={
            **{f"Recall in {store}: {why}": _table(results, store, RECALL) for store, why in SMALL.items()},
            **{f"Average precision in {store}": _table(results, store, AVERAGE_PRECISION) for store in SMALL},
        },
        plot=line_chart(Lines([str(size) for size in SIZES], recall), title, "queries of the store", "recall"),
        plot_says=title,
        conclusion=[_conclusion(results, store) for store in SMALL],
        limits=LIMITS,
        changes=CHANGES,
    )


INTRODUCTION = (
    "Eight stores of the synthetic log. Two of middle size, one whose language a large store speaks and one whose "
    "language no other store speaks, keep so many of their labelled queries for training and validation (seven of "
    "eight train), chosen by a hash; a larger number contains every smaller one. Their test sets stay whole. Micro "
    "recall at precision 0.8, at thresholds chosen on validation: for the unified models on that of all stores, for "
    "the per-locale ones on that of these two."
)
LIMITS = (
    "The encoder starts from nothing; a pre-trained one knows languages before it sees a store.",
    "With 30 queries a validation set has about four, and thresholds chosen on it are mostly chance.",
    "One seed.",
)


def _curve(results: Mapping[str, Figures], name: str, store: str, metric: str) -> list[float]:
    return mean_at(results, SIZES, lambda one: float(one[name][store][metric] or 0.0))


def _table(results: Mapping[str, Figures], store: str, metric: str) -> str:
    rows = [[name, *_curve(results, name, store, metric)] for name in VARIANTS]
    return table(["", *(f"{size} queries" for size in SIZES)], rows)


def _conclusion(results: Mapping[str, Figures], store: str) -> str:
    curves = {name: _curve(results, name, store, AVERAGE_PRECISION) for name in VARIANTS}
    own = curves[NON_UNIFIED]
    best = [max(curves[name][place] for name in UNIFIED_VARIANTS) for place in range(len(SIZES))]
    behind = [f"{size}" for size, mine, theirs in zip(SIZES, own, best, strict=True) if mine <= theirs]
    where = "at no size" if not behind else "at every size" if len(behind) == len(SIZES) else f"at {', '.join(behind)}"
    gaps = ", ".join(f"{theirs - mine:+.3f} at {size}" for size, mine, theirs in zip(SIZES, own, best, strict=True))
    return f"{store}: sharing is ahead in average precision {where} (the better unified model less its own: {gaps})."
