"""Product types that a store does not sell: left alone, masked when it is asked, or masked in training as well."""

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
from q2pt_tasks.studies.small_shop import SMALL, SMALL_SHOP
from q2pt_tasks.studies.study import Figures, Options, Page, Run

SEEDS = (1, 2)
NOTHING, AT_PREDICTION, IN_LOSS = "nothing", "masked at prediction", "masked in the loss too"
TREATMENTS = (NOTHING, AT_PREDICTION, IN_LOSS)


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
    """Both unified variants with every seed, trained as ever and without what a store does not sell."""
    return [
        Run(
            f"{'masked' if masked else 'plain'} seed {seed}",
            {**SMALL_SHOP, "train_unified.mask_unsold": masked, "seed": seed},
            unified=UNIFIED_VARIANTS,
        )
        for masked in (False, True)
        for seed in options.seeds or SEEDS
    ]


def measure(run: Run, layout: Layout) -> Figures:
    """Per treatment and variant: the figures of every store and of all, and the share of answers that are not sold."""
    examination = Examination(layout)
    sold = sold_types(layout)
    return {
        "sells": {locale: len(own) for locale, own in sold.items()},
        "treatments": {
            treatment: {variant: _figures(examination.examine(scorer), sold) for variant, scorer in scorers.items()}
            for treatment, scorers in _treated(run, examination, sold).items()
        },
    }


def _treated(run: Run, examination: Examination, sold: Mapping[str, AbstractSet[str]]) -> dict[str, dict[str, Scorer]]:
    """The scorers of each treatment that the run can say something about. One trained with the mask has its own."""
    plain: dict[str, Scorer] = {variant: examination.scorer(variant) for variant in UNIFIED_VARIANTS}
    if run.changes["train_unified.mask_unsold"]:
        return {IN_LOSS: plain}
    types = examination.truth.types
    return {NOTHING: plain, AT_PREDICTION: {name: SoldOnly(scorer, sold, types) for name, scorer in plain.items()}}


def _figures(examined: Examined, sold: Mapping[str, AbstractSet[str]]) -> Figures:
    return {"stores": examined.figures(), "unsold": unsold_share(examined, sold)}


def unsold_share(examined: Examined, sold: Mapping[str, AbstractSet[str]]) -> float:
    """Share of the answers on test, over all stores, that name a type which the store does not sell."""
    test = examined.test
    limits = np.array([examined.thresholds.for_locale(locale, test.types) for locale in test.locales])
    unsold = np.array([[name not in sold[locale] for name in test.types] for locale in test.locales])
    answered = test.scores >= limits[test.locale]
    return float((answered & unsold[test.locale]).sum() / max(answered.sum(), 1))


def page(results: Mapping[str, Figures]) -> Page:
    narrow = SMALL
    recall = {
        treatment: [_mean(results, variant, treatment, narrow, RECALL) for variant in UNIFIED_VARIANTS]
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
        changes=SMALL_SHOP,
    )


INTRODUCTION = (
    "Eight stores of the synthetic log: four large ones sell 96 % of the product types, four narrow ones 80 %, each "
    "other ones. *Masked at prediction*: a type that is not in the store's catalog is never given, on validation, "
    "where thresholds are chosen, nor on test. *Masked in the loss too* (`train_unified.mask_unsold`): nor do the "
    "store's queries teach anything about it. Mean over the seeds; narrow stores: mean over them."
)
LIMITS = (
    "A synthetic store's shoppers never mean a type that it does not sell; real ones do, and a mask then hides it.",
    "Two seeds, each of another training on the same log.",
)


def _of(results: Mapping[str, Figures], variant: str, treatment: str) -> list[Figures]:
    """The figures of the runs that have the treatment, in the order of their seeds."""
    return [one["treatments"][treatment][variant] for one in results.values() if treatment in one["treatments"]]


def _by_seed(
    results: Mapping[str, Figures], variant: str, treatment: str, stores: Sequence[str], metric: str
) -> list[float]:
    """Per seed the mean over the stores."""
    return [mean([own["stores"][store][metric] for store in stores]) for own in _of(results, variant, treatment)]


def _mean(results: Mapping[str, Figures], variant: str, treatment: str, stores: Sequence[str], metric: str) -> float:
    return mean(_by_seed(results, variant, treatment, stores, metric))


def _unsold(results: Mapping[str, Figures], variant: str, treatment: str) -> str:
    return f"{mean([own['unsold'] for own in _of(results, variant, treatment)]):.2%}"


def _table(results: Mapping[str, Figures], narrow: Sequence[str]) -> str:
    rows = [
        [
            variant,
            treatment,
            *(
                _mean(results, variant, treatment, stores, metric)
                for stores in ([ALL_LOCALES], narrow)
                for metric in (RECALL, AVERAGE_PRECISION)
            ),
            _unsold(results, variant, treatment),
        ]
        for variant in UNIFIED_VARIANTS
        for treatment in TREATMENTS
    ]
    header = ["recall", "average precision", "recall, narrow", "average precision, narrow", "answers not sold"]
    return table(["variant", "unsold types", *header], rows)


def _store_table(results: Mapping[str, Figures], narrow: Sequence[str]) -> str:
    sells = next(iter(results.values()))["sells"]
    columns = [(variant, treatment) for variant in UNIFIED_VARIANTS for treatment in TREATMENTS]
    rows = [
        [store, sells[store], *(_mean(results, *column, [store], RECALL) for column in columns)] for store in narrow
    ]
    return table(["store", "types sold", *(", ".join(column) for column in columns)], rows)


def _conclusion(results: Mapping[str, Figures], variant: str, narrow: Sequence[str]) -> str:
    changes = "; ".join(_change(results, variant, treatment, narrow) for treatment in (AT_PREDICTION, IN_LOSS))
    unsold = _unsold(results, variant, NOTHING)
    return f"{variant}: {unsold} of its answers name a type that the store does not sell; {changes}."


def _change(results: Mapping[str, Figures], variant: str, treatment: str, narrow: Sequence[str]) -> str:
    everywhere, there = (
        [
            with_mask - without
            for with_mask, without in zip(
                _by_seed(results, variant, treatment, stores, RECALL),
                _by_seed(results, variant, NOTHING, stores, RECALL),
                strict=True,
            )
        ]
        for stores in ([ALL_LOCALES], narrow)
    )
    return (
        f"{treatment}, its recall changes by {mean(everywhere):+.3f} over all stores and by {mean(there):+.3f} in the "
        f"narrow ones ({', '.join(f'{gain:+.3f}' for gain in there)} by seed)"
    )
