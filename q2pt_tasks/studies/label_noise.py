"""Wrong labels on training queries, clean ones on test: what they cost each variant."""

from collections.abc import Mapping, Sequence

from q2pt_tasks.layout import Layout
from q2pt_tasks.metrics.measurements import ALL_LOCALES
from q2pt_tasks.model.scorers import Scorer
from q2pt_tasks.model.variants import UNIFIED_VARIANTS
from q2pt_tasks.studies.charts import Lines, line_chart
from q2pt_tasks.studies.measuring import AVERAGE_PRECISION, RECALL, Examination, mean_at
from q2pt_tasks.studies.pages import table
from q2pt_tasks.studies.study import Figures, Options, Page, Run

SHARES = (0.0, 0.1, 0.2, 0.3, 0.4)
SEEDS = (1, 2)
LINEAR = "tfidf_unified"
EVERY = (*UNIFIED_VARIANTS, LINEAR)


def runs(options: Options) -> Sequence[Run]:
    """Every share of wrong labels with every seed."""
    return [
        Run(
            f"{share:.0%} seed {seed}",
            {"ingest.source": "synthetic", "split.flip_labels": share, "seed": seed},
            unified=UNIFIED_VARIANTS,
        )
        for share in SHARES
        for seed in options.seeds or SEEDS
    ]


def measure(run: Run, layout: Layout) -> Figures:
    """The figures over all stores of each variant and of the linear model."""
    from q2pt_tasks.model.baselines import TfidfUnified

    examination = Examination(layout)
    truth = examination.truth
    scorers: dict[str, Scorer] = {variant: examination.scorer(variant) for variant in UNIFIED_VARIANTS}
    scorers[LINEAR] = TfidfUnified(truth.labeled("train"), truth.types)
    figures = {name: examination.examine(scorer).figures()[ALL_LOCALES] for name, scorer in scorers.items()}
    return {"level": run.changes["split.flip_labels"], **figures}


def page(results: Mapping[str, Figures]) -> Page:
    recall = {name: _means(results, name, RECALL) for name in EVERY}
    precision = {name: _means(results, name, AVERAGE_PRECISION) for name in EVERY}
    title = "Micro recall at precision 0.8 against the share of wrong training labels"
    return Page(
        introduction=INTRODUCTION,
        sections={
            "Micro recall at precision 0.8": _table(recall),
            "Average precision": _table(precision),
            "Every run": _runs_table(results),
        },
        plot=line_chart(
            Lines([f"{share:.0%}" for share in SHARES], recall), title, "training queries with a wrong type", "recall"
        ),
        plot_says=title,
        conclusion=[_conclusion(name, recall[name]) for name in EVERY],
        limits=LIMITS,
    )


INTRODUCTION = (
    "The synthetic log with the default params. A stable share of each store's training queries gets one wrong "
    "product type, drawn evenly among the store's (`split.flip_labels`). Validation, where thresholds are chosen "
    "and training is stopped, and test keep their labels. All stores together, mean over the seeds."
)
LIMITS = (
    "Noise that is drawn evenly is kinder than clicks, which are wrong in the same way again and again.",
    "Validation is clean here; a noisy one would also choose worse thresholds.",
    "At 0 % the log still has its own wrong clicks, on 1 to 6 % of a query's searches.",
)


def _means(results: Mapping[str, Figures], name: str, metric: str) -> list[float]:
    return mean_at(results, SHARES, lambda one: float(one[name][metric]))


def _table(series: Mapping[str, Sequence[float]]) -> str:
    rows = [[name, *values] for name, values in series.items()]
    return table(["", *(f"{share:.0%} wrong" for share in SHARES)], rows)


def _runs_table(results: Mapping[str, Figures]) -> str:
    rows = [[name, *(one[variant][RECALL] for variant in EVERY)] for name, one in results.items()]
    return table(["run", *(f"{name} recall" for name in EVERY)], rows)


def _conclusion(name: str, recall: Sequence[float]) -> str:
    kept = ", ".join(
        f"{value / recall[0]:.0%} at {share:.0%}" for share, value in zip(SHARES[1:], recall[1:], strict=True)
    )
    return f"{name} keeps of its recall of {recall[0]:.3f} without added noise: {kept} wrong labels."
