"""One model or baseline on all splits: its thresholds from validation, its figures at them, and how sure they are."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from q2pt_tasks.metrics.calibration import Calibration, calibrate
from q2pt_tasks.metrics.intervals import Resampling
from q2pt_tasks.metrics.judged import JudgedFigure, judged_figures
from q2pt_tasks.metrics.measurements import Measured, Measurement, measure
from q2pt_tasks.metrics.mistakes import surest_mistakes
from q2pt_tasks.metrics.recall_at_precision import OperatingPoint
from q2pt_tasks.metrics.resampled import Resampled, resample
from q2pt_tasks.metrics.resampled_curves import resample_curves
from q2pt_tasks.metrics.scored import Scored
from q2pt_tasks.metrics.thresholds import PRECISION, Thresholds, choose_thresholds
from q2pt_tasks.model.breakdown import MOST_MISTAKES, TEST, Breakdown
from q2pt_tasks.model.lineup import CHAMPION
from q2pt_tasks.model.score_stream import ScoreStream, Selected
from q2pt_tasks.model.scorers import Scorer
from q2pt_tasks.model.truth import FORWARD, JUDGEMENTS, Truth
from q2pt_tasks.model.variants import NON_UNIFIED, UNIFIED_VARIANTS

log = logging.getLogger(__name__)

MAX_CURVE_POINTS = 200
# The splits that are resampled alike, so that models are compared on them; judgements have intervals of their own.
RESAMPLED_SPLITS = (TEST, FORWARD)
# A curve costs a look at every pair for every resample.
CURVE_RESAMPLES = 200
# Whose scores are probabilities; those of the linear baselines are distances.
PROBABILITIES = (NON_UNIFIED, *UNIFIED_VARIANTS, CHAMPION)


@dataclass(frozen=True)
class Rules:
    """How a model is measured.

    Attributes:
        min_positives: of a type or locale on validation, for a threshold of its own.
        min_support: positives of a type that a macro figure covers.
        plan: the resamples of the intervals, the same for all that are compared.
    """

    min_positives: int
    min_support: int
    plan: Resampling


@dataclass(frozen=True, eq=False)
class Evaluated:
    """What was found.

    Attributes:
        thresholds: those that validation chose.
        figures: per split, `forward` also seen and unseen apart.
        curve: points of the precision-recall curve of all pairs of test.
        resampled: per split of `RESAMPLED_SPLITS`.
        judged: on human judgements; empty where there are none.
        calibration: on test; None where scores are no probabilities.
        decisive: per split of `RESAMPLED_SPLITS` all that was measured; empty for baselines, not compared with the
            champion.
    """

    thresholds: Thresholds
    figures: Mapping[str, list[Measurement]]
    curve: list[OperatingPoint]
    resampled: Mapping[str, Resampled]
    judged: Sequence[JudgedFigure]
    calibration: Calibration | None
    decisive: Mapping[str, Measured]


def evaluate(name: str, scorer: Scorer, truth: Truth, breakdown: Breakdown, rules: Rules) -> Evaluated:
    """Scores every split once, and adds to `breakdown` what it collects."""
    log.info("evaluating %s", name)
    is_model = name in PROBABILITIES
    with ScoreStream(truth, "validation", scorer) as validation:
        thresholds = choose_thresholds(validation, PRECISION, rules.min_positives)

        def measured(blocks: Iterable[Scored]) -> Measured:
            return measure(blocks, thresholds, PRECISION, rules.min_support)

        def resampled(split: str, blocks: Iterable[Scored], found: Measured) -> Resampled:
            sample, on_curves = breakdown.samples[split], replace(rules.plan, resamples=CURVE_RESAMPLES)
            curves = resample_curves(blocks, found, sample, on_curves, PRECISION)
            return resample(found, sample, rules.plan) | curves

        figures = {"validation": measured(validation).measurements}
    with ScoreStream(truth, TEST, scorer) as test:
        on_test = measured(test)
        resamples, decisive = {TEST: resampled(TEST, test, on_test)}, {TEST: on_test}
        calibration = calibrate(test) if is_model else None
        mistakes = surest_mistakes(test, thresholds, MOST_MISTAKES)
    figures[TEST] = on_test.measurements
    breakdown.add_test(name, on_test.observed.answers, mistakes)
    judged: Sequence[JudgedFigure] = ()
    for split in truth.marked:
        with ScoreStream(truth, split, scorer) as blocks:
            seen, found = truth.seen(split), measured(blocks)
            figures[split] = found.measurements
            figures[f"{split}_seen"] = measured(Selected(blocks, seen)).measurements
            figures[f"{split}_unseen"] = measured(Selected(blocks, ~seen)).measurements
            if split == FORWARD:
                resamples[split], decisive[split] = resampled(split, blocks, found), found
                breakdown.add_forward(name, found.observed.answers)
            if split == JUDGEMENTS:
                judged = judged_figures(found, breakdown.samples[split], rules.plan)
    curve = on_test.curves.overall.points(MAX_CURVE_POINTS)
    return Evaluated(thresholds, figures, curve, resamples, judged, calibration, decisive if is_model else {})
