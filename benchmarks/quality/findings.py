"""What the page of results says, before it is words and tables."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.quality.figures import Differences, Judged
from benchmarks.quality.tasks import Answer
from q2pt_tasks.model.truth import Truth
from q2pt_tasks.report.tables import Scores
from q2pt_tasks.studies.seeds import Spread


@dataclass(frozen=True, eq=False)
class Findings:
    """All contestants on the same queries.

    Attributes:
        judged: per contestant, ours first; each of ours as one, and its encoders alone.
        trainings: per contestant of ours that of every seed.
        command: what makes the page.
        weights: per variant of ours the n-grams' weight in each of its models.
        groups: locales by the share of their training rows that they keep, the largest share first.
    """

    judged: Mapping[str, Judged]
    trainings: Mapping[str, Sequence[Judged]]
    command: str
    weights: Mapping[str, Sequence[float]]
    answers: Sequence[Answer]
    groups: Mapping[str, tuple[str, ...]]
    differences: Differences
    truth: Truth
    machine: str

    @property
    def scores(self) -> Scores:
        return Scores(row for one in self.judged.values() for row in one.rows)

    def spread(self, name: str, value: Callable[[Scores], float | None]) -> Spread | None:
        """What `value` reads of a contestant: of ours over the seeds, a peer has one training."""
        trainings = self.trainings.get(name, [self.judged[name]])
        return Spread.of([value(Scores(one.rows)) for one in trainings])

    @property
    def ours(self) -> list[str]:
        return list(self.weights)

    @property
    def peers(self) -> list[str]:
        return [answer.task.name for answer in self.answers]

    @property
    def best_peer(self) -> str:
        """By recall over all locales on test: the hardest to beat, whatever validation says."""
        scores = self.scores
        return max(self.peers, key=lambda name: scores.value(name, "micro_recall") or 0.0)

    @property
    def places(self) -> dict[str, tuple[str, ...]]:
        """All locales together, and the small ones."""
        return {"all locales": self.truth.locales, "small locales": list(self.groups.values())[-1]}
