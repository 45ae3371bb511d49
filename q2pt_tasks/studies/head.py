"""What stands between the encoder and the scores: how many hidden layers, how wide, bent by what."""

from collections.abc import Mapping, Sequence
from typing import Any

from q2pt_tasks.layout import Layout
from q2pt_tasks.metrics.measurements import ALL_LOCALES
from q2pt_tasks.model.variants import UNIFIED_AWARE
from q2pt_tasks.studies.charts import Bars, bar_chart
from q2pt_tasks.studies.measuring import AVERAGE_PRECISION, METRICS, RECALL, Examination, mean
from q2pt_tasks.studies.pages import table
from q2pt_tasks.studies.small_shop import SMALL_SHOP
from q2pt_tasks.studies.study import Figures, Options, Page, Run

SEEDS = (1, 2)
# The encoder's width; a classifier of Hugging Face's has one hidden layer as wide.
WIDTH = 128
DEFAULT = "1 layer"
HEADS: Mapping[str, Mapping[str, Any] | None] = {
    DEFAULT: None,
    "no layer": {"layers": 0, "width": WIDTH, "activation": "relu"},
    "2 layers": {"layers": 2, "width": WIDTH, "activation": "relu"},
    "1 layer, 32 wide": {"layers": 1, "width": 32, "activation": "relu"},
    "1 layer, 512 wide": {"layers": 1, "width": 512, "activation": "relu"},
    "1 layer, tanh": {"layers": 1, "width": WIDTH, "activation": "tanh"},
    "1 layer, gelu": {"layers": 1, "width": WIDTH, "activation": "gelu"},
}


def runs(options: Options) -> Sequence[Run]:
    """Every head with every seed."""
    return [
        Run(f"{name} seed {seed}", _changes(head, seed), unified=(UNIFIED_AWARE,))
        for name, head in HEADS.items()
        for seed in options.seeds or SEEDS
    ]


def _changes(head: Mapping[str, Any] | None, seed: int) -> dict[str, Any]:
    return {
        **SMALL_SHOP,
        "encoder.name": "scratch",
        "encoder.scratch.width": WIDTH,
        "encoder.head": head,
        "seed": seed,
    }


def measure(run: Run, layout: Layout) -> Figures:
    """The figures over all stores."""
    examination = Examination(layout)
    figures = examination.examine(examination.scorer(UNIFIED_AWARE)).figures()
    return {"level": run.name.split(" seed ")[0], **figures[ALL_LOCALES]}


def page(results: Mapping[str, Figures]) -> Page:
    title = "Micro recall at precision 0.8 by head"
    return Page(
        introduction=INTRODUCTION,
        sections={"By head, mean of the seeds": _table(results), "Every run": _runs_table(results)},
        plot=bar_chart(
            Bars(tuple(HEADS), {"recall": [_mean(results, name, RECALL) for name in HEADS]}), title, "recall"
        ),
        plot_says=title,
        conclusion=_conclusion(results),
        limits=LIMITS,
        changes=SMALL_SHOP,
    )


INTRODUCTION = (
    "Eight stores of the synthetic log and `unified_aware`, whose encoder starts from nothing and is 128 wide. "
    "Between it and the scores (`encoder.head`): one hidden layer as wide with ReLU, which is what Hugging Face's "
    "classifiers have; or none, two, a narrower or a wider one, or another activation. All stores together."
)
LIMITS = (
    "An encoder that starts from nothing grows with its head; above one that is pre-trained a head may count for more.",
    "The learning rate was not chosen anew for each head.",
)


def _values(results: Mapping[str, Figures], name: str, metric: str) -> list[float]:
    return [float(one[metric]) for one in results.values() if one["level"] == name]


def _mean(results: Mapping[str, Figures], name: str, metric: str) -> float:
    return mean(_values(results, name, metric))


def _table(results: Mapping[str, Figures]) -> str:
    rows = [[name, *(_mean(results, name, metric) for metric in METRICS)] for name in HEADS]
    return table(["head", *(metric.replace("_", " ") for metric in METRICS)], rows)


def _runs_table(results: Mapping[str, Figures]) -> str:
    rows = [[name, one[RECALL], one[AVERAGE_PRECISION]] for name, one in results.items()]
    return table(["run", "recall", "average precision"], rows)


def _conclusion(results: Mapping[str, Figures]) -> list[str]:
    usual = _values(results, DEFAULT, AVERAGE_PRECISION)
    spread = max(usual) - min(usual)
    lines = [f"{DEFAULT}: average precision {mean(usual):.3f}; its seeds differ by {spread:.3f}."]
    for name in HEADS:
        if name != DEFAULT:
            own = _values(results, name, AVERAGE_PRECISION)
            gains = ", ".join(f"{mine - theirs:+.3f}" for mine, theirs in zip(own, usual, strict=True))
            lines.append(f"{name}: average precision {mean(own):.3f} ({gains} by seed against {DEFAULT}).")
    return lines
