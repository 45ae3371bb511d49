"""Product types that a store does not sell: left alone, or masked when it is asked."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

import numpy as np

from q2pt_tasks.layout import Layout
from q2pt_tasks.metrics.measurements import ALL_LOCALES
from q2pt_tasks.model.examples import FloatMatrix
from q2pt_tasks.model.scorers import Scorer
from q2pt_tasks.model.variants import UNIFIED_VARIANTS
from q2pt_tasks.studies.charts import Bars, bar_chart
from q2pt_tasks.studies.measuring import AVERAGE_PRECISION, RECALL, Examination, Examined, mean, sold_types
from q2pt_tasks.studies.pages import table
from q2pt_tasks.studies.study import Figures, Options, Page, Run

SEEDS = (1, 2)
TREATMENTS = ("nothing", "masked at prediction")
# Stores that sell at most this share of all types are narrow.
NARROW = 0.85


class SoldOnly:
    """A scorer that never gives a type that the store does not sell.

    Args:
        scorer: whose scores are masked.
        sold: per locale the types of its catalog.
        types: the types of the columns.
    """

    def __init__(self, scorer: Scorer, sold: Mapping[str, AbstractSet[str]], types: Sequence[str]) -> None:
        self._scorer = scorer
        self._unsold = {locale: [name not in own for name in types] for locale, own in sold.items()}

    def scores(self, queries: Sequence[str], locale: str) -> FloatMatrix:
        """Shape (queries, types); -inf for a type that is not sold."""
        scores = self._scorer.scores(queries, locale)
        scores[:, self._unsold[locale]] = -np.inf
        return scores


def runs(options: Options) -> Sequence[Run]:
    """Both unified variants with every seed."""
    return [
        Run(f"seed {seed}", {"ingest.source": "synthetic", "seed": seed}, unified=UNIFIED_VARIANTS)
        for seed in options.seeds or SEEDS
    ]


def measure(run: Run, layout: Layout) -> Figures:  # noqa: ARG001 - the studies' common form
    """Per variant and treatment: recall over all stores and in each, and the share of answers that are not sold."""
    examination = Examination(layout)
    truth = examination.truth
    sold = sold_types(layout, truth.locales)
    figures: dict[str, dict[str, Figures]] = {}
    for variant in UNIFIED_VARIANTS:
        scorer = examination.scorer(variant)
        treated: tuple[Scorer, ...] = (scorer, SoldOnly(scorer, sold, truth.types))
        for treatment, asked in zip(TREATMENTS, treated, strict=True):
            examined = examination.examine(asked)
            figures.setdefault(variant, {})[treatment] = {
                "stores": examined.figures(),
                "unsold": unsold_share(examined, sold),
            }
    return {"variants": figures, "sells": {locale: len(own) for locale, own in sold.items()}}


def unsold_share(examined: Examined, sold: Mapping[str, AbstractSet[str]]) -> float:
    """Share of the answers on test, over all stores, that name a type which the store does not sell."""
    test = examined.test
    limits = np.array([examined.thresholds.for_locale(locale, test.types) for locale in test.locales])
    unsold = np.array([[name not in sold[locale] for name in test.types] for locale in test.locales])
    answered = test.scores >= limits[test.locale]
    return float((answered & unsold[test.locale]).sum() / max(answered.sum(), 1))


def page(results: Mapping[str, Figures]) -> Page:
    narrow = _narrow(results)
    recall = {
        treatment: [_recall(results, variant, treatment, narrow) for variant in UNIFIED_VARIANTS]
        for treatment in TREATMENTS
    }
    title = "Micro recall at precision 0.8 in narrow stores"
    return Page(
        introduction=INTRODUCTION,
        sections={
            "Over all stores and in narrow ones": _table(results, narrow),
            "Every narrow store": _store_table(results, narrow),
        },
        plot=bar_chart(Bars(UNIFIED_VARIANTS, recall), title, "recall"),
        plot_says=title,
        conclusion=[_conclusion(results, variant, narrow) for variant in UNIFIED_VARIANTS],
        limits=LIMITS,
    )


INTRODUCTION = (
    "The synthetic log with the default params: large stores sell 96 % of the product types, small ones 80 %, each "
    "other ones. *Masked at prediction*: a type that is not in the store's catalog is never given, on validation, "
    "where thresholds are chosen, nor on test. A narrow store sells at most 85 % of all types. Mean over the seeds; "
    "narrow stores: mean over them."
)
LIMITS = (
    "A synthetic store's shoppers never mean a type that it does not sell; real ones do, and a mask then hides it.",
    "Masking in the loss was not tried.",
)


def _narrow(results: Mapping[str, Figures]) -> list[str]:
    sells: Mapping[str, int] = next(iter(results.values()))["sells"]
    return [locale for locale, types in sells.items() if types <= NARROW * max(sells.values())]


def _recall(results: Mapping[str, Figures], variant: str, treatment: str, stores: Sequence[str]) -> float:
    return _mean(results, variant, treatment, stores, RECALL)


def _mean(results: Mapping[str, Figures], variant: str, treatment: str, stores: Sequence[str], metric: str) -> float:
    figures = [one["variants"][variant][treatment]["stores"] for one in results.values()]
    return mean([own[store][metric] for own in figures for store in stores])


def _table(results: Mapping[str, Figures], narrow: Sequence[str]) -> str:
    rows = [
        [
            variant,
            treatment,
            *(_mean(results, variant, treatment, [ALL_LOCALES], metric) for metric in (RECALL, AVERAGE_PRECISION)),
            *(_mean(results, variant, treatment, narrow, metric) for metric in (RECALL, AVERAGE_PRECISION)),
            f"{mean([one['variants'][variant][treatment]['unsold'] for one in results.values()]):.2%}",
        ]
        for variant in UNIFIED_VARIANTS
        for treatment in TREATMENTS
    ]
    header = ["recall", "average precision", "recall, narrow", "average precision, narrow", "answers not sold"]
    return table(["variant", "unsold types", *header], rows)


def _store_table(results: Mapping[str, Figures], narrow: Sequence[str]) -> str:
    sells = next(iter(results.values()))["sells"]
    columns = [(variant, treatment) for variant in UNIFIED_VARIANTS for treatment in TREATMENTS]
    rows = [[store, sells[store], *(_recall(results, *column, [store]) for column in columns)] for store in narrow]
    return table(["store", "types sold", *(", ".join(column) for column in columns)], rows)


def _conclusion(results: Mapping[str, Figures], variant: str, narrow: Sequence[str]) -> str:
    def gains(stores: Sequence[str]) -> list[float]:
        return [
            _recall({run: one}, variant, TREATMENTS[1], stores) - _recall({run: one}, variant, TREATMENTS[0], stores)
            for run, one in results.items()
        ]

    everywhere, there = gains([ALL_LOCALES]), gains(narrow)
    unsold = mean([one["variants"][variant][TREATMENTS[0]]["unsold"] for one in results.values()])
    return (
        f"{variant}: {unsold:.2%} of its answers name a type that the store does not sell; masked at prediction its "
        f"recall changes by {mean(everywhere):+.3f} over all stores and by {mean(there):+.3f} in the narrow ones "
        f"({', '.join(f'{gain:+.3f}' for gain in there)} by seed)."
    )
