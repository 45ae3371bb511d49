"""The figures of every contestant on the same queries, and the differences of any two with their intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from q2pt_tasks.metrics.intervals import Resampling, Sample, interval, p_value, ratio, resampled_sums
from q2pt_tasks.metrics.measurements import measure
from q2pt_tasks.metrics.resampled import Difference
from q2pt_tasks.metrics.scored import Floats, Scored
from q2pt_tasks.metrics.thresholds import PRECISION, choose_thresholds
from q2pt_tasks.report.tables import Row
from q2pt_tasks.stages.evaluate import EvaluateParams
from q2pt_tasks.studies.seeds import mean_rows

PLAN = Resampling(resamples=2000, seed=0)


@dataclass(frozen=True, eq=False)
class Judged:
    """One contestant: its figures, and the true types that it found of each test query at validation's thresholds.

    Attributes:
        rows: of validation and test.
        found: (n,) of the n test queries; of several trainings their mean.
    """

    rows: tuple[Row, ...]
    found: Floats


def judge(name: str, validation: Scored, test: Scored, params: EvaluateParams) -> Judged:
    """Chooses thresholds on validation, as the stage `evaluate` does, and measures both splits."""
    thresholds = choose_thresholds([validation], PRECISION, params.min_positives)
    measured = {
        split: measure([scored], thresholds, PRECISION, params.min_support)
        for split, scored in (("validation", validation), ("test", test))
    }
    rows = [Row(name, split=split, **asdict(one)) for split, own in measured.items() for one in own.measurements]
    answers = measured["test"].observed.answers
    return Judged(tuple(rows), answers.per_query(answers.predicted & answers.right))


def mean_of(trainings: Sequence[Judged]) -> Judged:
    """Several trainings of one contestant, which differ in their seed alone, as one.

    A recall from the mean of what they found is the mean of their recalls.
    """
    return Judged(
        mean_rows([one.rows for one in trainings]), np.asarray(np.mean([one.found for one in trainings], axis=0))
    )


class Differences:
    """Differences in recall of any two contestants, all from the same resamples of the test queries.

    Args:
        found: per contestant the true types that it found of each test query, (n,).
        meant: the true types of each test query, (n,).
        sample: the n test queries, each with its store.
        stores: names of the sample's parts.
    """

    def __init__(self, found: Mapping[str, Floats], meant: Floats, sample: Sample, stores: Sequence[str]) -> None:
        self._column = {name: index for index, name in enumerate(found)}
        self._stores = tuple(stores)
        counts = np.column_stack([*found.values(), meant])
        self._seen = np.array([counts[sample.part == part].sum(axis=0) for part in range(sample.parts)])
        self._resampled = np.concatenate(list(resampled_sums(counts, sample, PLAN)))

    def between(self, ours: str, theirs: str, stores: Sequence[str]) -> Difference:
        """Recall of `ours` less that of `theirs`, over the queries of `stores` together.

        Raises:
            ValueError: the stores have no positives.
        """
        parts = [self._stores.index(store) for store in stores]
        seen = self._difference(ours, theirs, self._seen[parts].sum(axis=0))
        resampled = self._difference(ours, theirs, self._resampled[:, parts].sum(axis=1))
        bounds, chance = interval(resampled, PLAN.level), p_value(resampled)
        if bounds is None or chance is None:
            raise ValueError(
                f"no test query of {', '.join(stores)} means a product type: there is no recall to compare"
            )
        return Difference(float(seen), bounds, chance)

    def _difference(self, ours: str, theirs: str, sums: Floats) -> Floats:
        found = sums[..., self._column[ours]] - sums[..., self._column[theirs]]
        return ratio(found, sums[..., -1])
