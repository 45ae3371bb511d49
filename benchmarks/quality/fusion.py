"""Our scores and an n-gram model's together: log-odds added, the model's with a weight that validation chooses."""

from dataclasses import dataclass, replace

import numpy as np

from q2pt_tasks.metrics.recall_at_precision import operating_point
from q2pt_tasks.metrics.scored import Scored, Scores
from q2pt_tasks.metrics.thresholds import PRECISION

WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)
# Nearer to 0 or 1 the log-odds of one model would drown the other's.
_LEAST = 1e-6


@dataclass(frozen=True, eq=False)
class Contestant:
    """One contestant's scores, probabilities, of both splits."""

    validation: Scored
    test: Scored


@dataclass(frozen=True, eq=False)
class Fusion:
    """Two contestants as one.

    Attributes:
        weight: of the other's log-odds beside ours.
    """

    scored: Contestant
    weight: float


def fuse(ours: Contestant, other: Contestant) -> Fusion:
    """With the weight of the best recall on the validation curve; of equal ones the smallest."""
    recalls = [_recall(_fuse(ours.validation, other.validation, weight)) for weight in WEIGHTS]
    weight = WEIGHTS[int(np.argmax(recalls))]
    fused = Contestant(
        *(_fuse(*both, weight) for both in ((ours.validation, other.validation), (ours.test, other.test)))
    )
    return Fusion(fused, weight)


def _fuse(ours: Scored, other: Scored, weight: float) -> Scored:
    return replace(ours, scores=_log_odds(ours.scores) + np.float32(weight) * _log_odds(other.scores))


def _log_odds(probabilities: Scores) -> Scores:
    # A type that a model does not know, -inf, counts as all but impossible.
    inside = np.clip(probabilities, _LEAST, 1 - _LEAST)
    return np.asarray(np.log(inside / (1 - inside)), dtype=np.float32)


def _recall(scored: Scored) -> float:
    return operating_point(scored.scores, scored.targets, PRECISION).recall
