"""What is promised: the rows of the table, each a figure of one contestant against the same of another."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.performance.comparison import Comparison, Difference, Limit, Ratio, Unit
from benchmarks.performance.contestants import Results
from benchmarks.performance.plan import (
    ALIKE_GRADED,
    DEFAULTS,
    FASTEST_GRADED,
    GROUP_MODELS,
    IMPORTS,
    LARGE,
    OURS,
    OURS_GRADED,
    PER_LOCALE,
    PREDICT,
    PRODUCTS,
    QUICK_GRADED,
    RECALL,
    SINGLE,
    SMALL,
    STAGES,
    START,
    TOGETHER,
    TUNED,
    UNIFIED,
    group_name,
)
from benchmarks.performance.sizes import E5, Sizes

Compare = Callable[[Sequence[float], Sequence[float]], Comparison]


@dataclass(frozen=True)
class Match:
    """Two contestants of a group."""

    kind: str
    ours: str
    peer: str


@dataclass(frozen=True)
class Target:
    """What of an answer is compared, and how."""

    attribute: str
    compare: Compare


@dataclass(frozen=True)
class Figure:
    """An answer's attribute that should stand in some ratio to another's."""

    attribute: str
    unit: Unit

    def at_least(self, ratio: float) -> Target:
        return Target(self.attribute, lambda ours, peers: Ratio(ours, peers, self.unit, Limit("at least", ratio)))

    def at_most(self, ratio: float) -> Target:
        return Target(self.attribute, lambda ours, peers: Ratio(ours, peers, self.unit, Limit("at most", ratio)))


@dataclass(frozen=True)
class Row:
    """One row of the table, for each model; notes speak of it by its name."""

    name: str
    measured: str
    against: str
    match: Match
    target: Target

    def of(self, model: str, results: Results) -> Comparison | None:
        """The comparison of the turns that both contestants took; None where there is none."""
        group = group_name(self.match.kind, model)
        ours, peers = (results.find(group, name) for name in (self.match.ours, self.match.peer))
        seeds = sorted(ours.keys() & peers.keys())
        if not seeds:
            return None
        own, other = (
            [float(getattr(runs[seed].answer, self.target.attribute)) for seed in seeds] for runs in (ours, peers)
        )
        return self.target.compare(own, other)


@dataclass(frozen=True)
class Line:
    """A row of one model, measured."""

    row: Row
    model: str
    comparison: Comparison

    @property
    def name(self) -> str:
        return f"{self.row.name}/{self.model}"


def lines(results: Results, sizes: Sizes) -> Iterator[Line]:
    """All rows that were measured."""
    for row in rows(sizes):
        for model in GROUP_MODELS[row.match.kind]:
            if comparison := row.of(model, results):
                yield Line(row, model, comparison)


def rows(sizes: Sizes) -> list[Row]:
    return [*_training_rows(sizes), *_stage_rows(sizes), *_prediction_rows(sizes), *_recall_rows()]


_RATE = Figure("queries_per_second", Unit("queries/s", decimals=1))
_MEMORY = Figure("peak_bytes", Unit("GB", 1e-9, 2))
_OPERATIONS = Figure("operations_per_second", Unit("GFLOP/s", 1e-9))
_SECONDS = Figure("seconds", Unit("s", decimals=1))
_FILES = Figure("file_bytes", Unit("GB", 1e-9, 2))
_LATENCY = Figure("median_step", Unit("ms", 1e3, 2))

_DEFAULTS = "HF Trainer, defaults"
_TUNED = "HF Trainer, tuned: bf16, grouped by length"
_ALIKE = "HF Trainer in bf16, with the same loss, optimiser and schedule"


def _training_rows(sizes: Sizes) -> list[Row]:
    large, small = f"training, batch {sizes.large}", f"training, batch {sizes.small}"
    memory, arithmetic = f"peak memory of {large}", f"arithmetic reached in {large}"
    pieces = f"{_TUNED}, {sizes.large // sizes.piece} x {sizes.piece}"
    large_defaults, large_tuned = Match(LARGE, OURS, DEFAULTS), Match(LARGE, OURS, TUNED)
    products = Match(LARGE, OURS, PRODUCTS)
    return [
        Row("large/defaults", large, _DEFAULTS, large_defaults, _RATE.at_least(10)),
        Row("large/tuned", large, pieces, large_tuned, _RATE.at_least(1.5)),
        Row("small/defaults", small, _DEFAULTS, Match(SMALL, OURS, DEFAULTS), _RATE.at_least(5)),
        Row("small/tuned", small, _TUNED, Match(SMALL, OURS, TUNED), _RATE.at_least(1.6)),
        Row("memory/defaults", memory, _DEFAULTS, large_defaults, _MEMORY.at_most(1 / 4)),
        Row("memory/tuned", memory, pieces, large_tuned, _MEMORY.at_most(1)),
        Row("arithmetic", arithmetic, "bf16 matrix products at its shapes", products, _OPERATIONS.at_least(0.6)),
    ]


def _stage_rows(sizes: Sizes) -> list[Row]:
    locales = sizes.stages[E5].locales
    trainings, files = f"{locales} per-locale trainings, starts included", f"files of {locales} per-locale models"
    stages, together = Match(STAGES, PER_LOCALE, UNIFIED), Match(STAGES, TOGETHER, UNIFIED)
    start, imports = Match(START, OURS, IMPORTS), "`import torch, transformers`"
    one_training = "one unified training of the same rows"
    return [
        Row("stages/time", trainings, one_training, stages, _SECONDS.at_most(1.5)),
        Row("stages/together", f"{trainings}, side by side", one_training, together, _SECONDS.at_most(1.5)),
        Row("stages/bytes", files, "files of one unified model", stages, _FILES.at_most(7)),
        Row("start", "start of a training until its first step", imports, start, _SECONDS.at_most(1.5)),
    ]


def _prediction_rows(sizes: Sizes) -> list[Row]:
    defaults, tuned = "HF pipeline, defaults", f"HF pipeline, tuned: bf16, batches of {sizes.asked_piece}"
    return [
        Row("predict/defaults", "batch prediction", defaults, Match(PREDICT, OURS, DEFAULTS), _RATE.at_least(15)),
        Row("predict/tuned", "batch prediction", tuned, Match(PREDICT, OURS, TUNED), _RATE.at_least(2)),
        Row("single", "one query, median", defaults, Match(SINGLE, OURS, DEFAULTS), _LATENCY.at_most(1 / 3)),
    ]


def _recall_rows() -> list[Row]:
    runtimes = Match(RECALL, FASTEST_GRADED, OURS_GRADED)
    singly = Match(RECALL, QUICK_GRADED, OURS_GRADED)
    trained = Match(RECALL, OURS_GRADED, ALIKE_GRADED)
    fp32 = "the same model in fp32"
    return [
        Row("runtime", "macro recall, computed as prediction does", fp32, runtimes, _difference("macro_recall", 0.005)),
        Row("runtime/single", "macro recall, one query at a time", fp32, singly, _difference("macro_recall", 0.005)),
        Row("recall/micro", "micro recall after equal examples", _ALIKE, trained, _difference("micro_recall", None)),
        Row("recall/macro", "macro recall after equal examples", _ALIKE, trained, _difference("macro_recall", None)),
    ]


def _difference(attribute: str, tolerance: float | None) -> Target:
    return Target(attribute, lambda ours, peers: Difference(ours, peers, tolerance))
