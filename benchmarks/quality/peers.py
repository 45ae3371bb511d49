"""Tunes a peer on validation and writes its scores; runs in the peers' environment: `python -m ... TASK FOLDER`."""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from benchmarks.quality.fasttext import FAST_TEXT_SETTINGS
from benchmarks.quality.kept import write_scores
from benchmarks.quality.models import PerLocale, Setting, Unified
from benchmarks.quality.tasks import PER_LOCALE, Answer, Task, Tried, task_of, write_answer
from benchmarks.quality.tfidf_linear import LINEAR_SETTINGS
from benchmarks.quality.xr_linear import XR_LINEAR_SETTINGS
from q2pt_tasks.layout import Layout
from q2pt_tasks.metrics.recall_at_precision import curve
from q2pt_tasks.metrics.thresholds import PRECISION
from q2pt_tasks.model.scorers import Scorer
from q2pt_tasks.model.truth import Truth, read_truth

SETTINGS: Mapping[str, Sequence[Setting]] = {
    "tfidf_linear": LINEAR_SETTINGS,
    "fasttext": FAST_TEXT_SETTINGS,
    "xr_linear": XR_LINEAR_SETTINGS,
}


def answer(task: Task, folder: Path) -> Answer:
    """Trains every setting, and writes the scores of the one that is best on validation."""
    truth = read_truth(Layout(Path(task.run)), task.locales)
    contest = Contest(task, truth)
    for setting in SETTINGS[task.peer]:
        contest.enter(setting)
        sys.stdout.write(f"{task.name}: {contest.tried[-1]}\n")
        sys.stdout.flush()
    write_scores(folder, truth, contest.winner)
    return Answer(task, tuple(contest.tried), contest.tried.index(contest.best))


class Contest:
    """Settings of one peer, trained one after the other; only the best one's models are kept."""

    tried: list[Tried]
    winner: Scorer

    def __init__(self, task: Task, truth: Truth) -> None:
        self.tried = []
        self._task, self._truth = task, truth

    @property
    def best(self) -> Tried:
        """The best recall; where it is equal, the best average precision."""
        return max(self.tried, key=lambda tried: (tried.recall, tried.average_precision))

    def enter(self, setting: Setting) -> None:
        started = time.monotonic()
        scorer = self._train(setting)
        seconds = round(time.monotonic() - started, 1)
        validation = self._truth.scored("validation", scorer)
        pairs = curve(validation.scores, validation.targets)
        recall = pairs.operating_point(PRECISION).recall
        tried = Tried(asdict(cast(Any, setting)), recall, pairs.average_precision(), seconds)
        self.tried.append(tried)
        if self.best is tried:
            self.winner = scorer

    def _train(self, setting: Setting) -> Scorer:
        train = self._truth.labeled("train")
        if self._task.scope == PER_LOCALE:
            return PerLocale(setting, train, self._truth.types)
        return Unified(setting, train, self._truth.types)


if __name__ == "__main__":
    OUT = Path(sys.argv[2])
    write_answer(OUT, answer(task_of(json.loads(sys.argv[1])), OUT))
