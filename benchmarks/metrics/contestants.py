"""The contestants, one process each: each prints seconds, memory and some types' figures as JSON.

Run as `python -m benchmarks.metrics.contestants NAME SCALE FILE`, by `benchmarks.metrics`.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks.metrics.scores import Scale, read_scores, true_pairs

if TYPE_CHECKING:
    from q2pt_tasks.metrics.intervals import Resampling, Sample
    from q2pt_tasks.metrics.measurements import Measured

PRECISION = 0.8
# As the params have them, and as `evaluate` does for curves.
RESAMPLES, CURVE_RESAMPLES = 2000, 200


class Clock:
    """Runs from when it is made."""

    def __init__(self) -> None:
        self._start = time.perf_counter(), time.process_time()

    def read(self) -> tuple[float, float]:
        """Seconds, and those of all cores together."""
        return time.perf_counter() - self._start[0], time.process_time() - self._start[1]


@dataclass(frozen=True)
class Outcome:
    """What a contestant did.

    Attributes:
        types: types that it computed the curves of.
        seconds: for these types, reading the scores left out where it reads only columns.
        processor_seconds: the same, of all cores together: what another load on the machine changes least.
        megabytes: most resident memory above that before the first score was read.
        figures: per sampled type average precision and recall at precision 0.8.
    """

    types: int
    seconds: float
    processor_seconds: float
    megabytes: float
    figures: dict[int, tuple[float, float]]


def sampled_types(scale: Scale, count: int) -> list[int]:
    """Frequent and rare types alike."""
    return [int(index) for index in np.linspace(0, scale.types - 1, count)]


class Blocks:
    """The blocks of the file, as the package takes them; which pairs are true is in memory, as it is for the peers."""

    def __init__(self, scale: Scale, file: Path) -> None:
        self._scale, self._file = scale, file
        self._true = {block: true_pairs(scale, block) for block in scale.blocks}

    def __iter__(self) -> Iterator[object]:
        from q2pt_tasks.metrics.scored import Scored

        types = tuple(str(index) for index in range(self._scale.types))
        for block, scores in read_scores(self._scale, self._file):
            targets = np.zeros(scores.shape, dtype=np.bool_)
            targets[self._true[block]] = True
            locale, weights = np.zeros(len(block), dtype=np.intp), np.ones(len(block))
            yield Scored(types, ("en-GB",), locale, scores, targets, weights)


def curves(scale: Scale, file: Path) -> Outcome:
    """Ours: the exact curve of every type."""
    from q2pt_tasks.metrics.curves import Wanted, count_curves
    from q2pt_tasks.metrics.positives import find_positives

    blocks = Blocks(scale, file)
    before = _resident()
    clock = Clock()
    wanted = Wanted(np.ones(scale.types, np.bool_), np.zeros(1, np.bool_), np.zeros((1, scale.types), np.bool_))
    found = count_curves(find_positives(blocks), blocks, wanted)  # type: ignore[arg-type]
    figures = [
        (found.types[index].average_precision(), found.types[index].recall_at(PRECISION))
        for index in range(scale.types)
    ]
    return Outcome(scale.types, *clock.read(), _peak() - before, dict(enumerate(figures)))


def everything(scale: Scale, file: Path) -> Outcome:
    """Ours: all figures that `evaluate` gives a split, at thresholds that are given, without their intervals."""
    blocks = Blocks(scale, file)
    before = _resident()
    clock = Clock()
    _measured(blocks)
    return Outcome(scale.types, *clock.read(), _peak() - before, {})


def intervals(scale: Scale, file: Path) -> Outcome:
    """Ours: the intervals of these figures, from what was measured before the clock."""
    from q2pt_tasks.metrics.resampled import resample

    blocks = Blocks(scale, file)
    before = _resident()
    measured = _measured(blocks)
    clock = Clock()
    resample(measured, _sample(scale), _plan(RESAMPLES))
    return Outcome(scale.types, *clock.read(), _peak() - before, {})


def curve_intervals(scale: Scale, file: Path) -> Outcome:
    """Ours: the intervals of the curves' figures, a look at every pair for every resample."""
    from q2pt_tasks.metrics.resampled_curves import resample_curves

    blocks = Blocks(scale, file)
    before = _resident()
    measured = _measured(blocks)
    clock = Clock()
    resample_curves(blocks, measured, _sample(scale), _plan(CURVE_RESAMPLES), PRECISION)  # type: ignore[arg-type]
    return Outcome(scale.types, *clock.read(), _peak() - before, {})


def _measured(blocks: Blocks) -> "Measured":
    from q2pt_tasks.metrics.measurements import measure
    from q2pt_tasks.metrics.thresholds import Thresholds

    return measure(blocks, Thresholds({}, {}, 0.5), PRECISION, min_support=10)  # type: ignore[arg-type]


def _sample(scale: Scale) -> "Sample":
    """Every query is another text, in one store."""
    from q2pt_tasks.metrics.intervals import Sample

    return Sample.of([f"query {number}" for number in range(scale.queries)], np.zeros(scale.queries, dtype=np.intp), 1)


def _plan(resamples: int) -> "Resampling":
    from q2pt_tasks.metrics.intervals import Resampling

    return Resampling(resamples=resamples, seed=0)


def scikit_learn(scale: Scale, file: Path) -> Outcome:
    """`precision_recall_curve` of some types, one after the other, all their scores in memory."""
    from sklearn.metrics import auc, precision_recall_curve  # noqa: F401

    types, scores, targets = _columns(scale, file, 40)
    before = _resident()
    figures = {}
    clock = Clock()
    for place, index in enumerate(types):
        precisions, recalls, _ = precision_recall_curve(targets[place], scores[place])
        figures[index] = (
            float(-np.sum(np.diff(recalls) * precisions[:-1])),
            float(max(recalls[:-1][precisions[:-1] >= PRECISION], default=0.0)),
        )
    return Outcome(len(types), *clock.read(), _peak() - before, figures)


def torchmetrics(scale: Scale, file: Path) -> Outcome:
    """`MultilabelPrecisionRecallCurve` without binning, of some types: it keeps all their scores and sorts them."""
    import torch
    from torchmetrics.classification import MultilabelPrecisionRecallCurve

    types, scores, targets = _columns(scale, file, 20)
    before = _resident()
    clock = Clock()
    metric = MultilabelPrecisionRecallCurve(num_labels=len(types), thresholds=None)
    for rows in range(0, scale.queries, scale.rows):
        step = slice(rows, rows + scale.rows)
        metric.update(torch.from_numpy(scores[:, step].T.copy()), torch.from_numpy(targets[:, step].T.astype(np.int64)))
    precisions, recalls, _ = metric.compute()
    figures = {}
    for index, precision, recall in zip(types, precisions, recalls, strict=True):
        reached = recall[:-1][precision[:-1] >= PRECISION]
        figures[index] = (
            float(-((recall[1:] - recall[:-1]).double() * precision[:-1].double()).sum()),
            float(reached.max()) if len(reached) else 0.0,
        )
    return Outcome(len(types), *clock.read(), _peak() - before, figures)


CONTESTANTS: dict[str, Callable[[Scale, Path], Outcome]] = {
    "curves": curves,
    "everything": everything,
    "intervals": intervals,
    "curve_intervals": curve_intervals,
    "scikit_learn": scikit_learn,
    "torchmetrics": torchmetrics,
}


def _columns(scale: Scale, file: Path, count: int) -> tuple[list[int], NDArray[np.float32], NDArray[np.bool_]]:
    types = sampled_types(scale, count)
    scores = np.empty((count, scale.queries), dtype=np.float32)
    targets = np.zeros((count, scale.queries), dtype=np.bool_)
    place = np.full(scale.types, -1)
    place[types] = np.arange(count)
    for block, some in read_scores(scale, file):
        scores[:, block.start : block.stop] = some[:, types].T
        rows, own = true_pairs(scale, block)
        kept = place[own] >= 0
        targets[place[own][kept], block.start + rows[kept]] = True
    return types, scores, targets


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


if __name__ == "__main__":
    name, scale, file = sys.argv[1:]
    outcome = CONTESTANTS[name](Scale(**json.loads(scale)), Path(file))
    sys.stdout.write(json.dumps(asdict(outcome)))
