"""The figures of all that were evaluated, as rows for files."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

from q2pt_tasks.metrics.calibration import Reliability
from q2pt_tasks.metrics.measurements import ALL_LOCALES
from q2pt_tasks.metrics.resampled import differences, figure_intervals
from q2pt_tasks.model.breakdown import TEST
from q2pt_tasks.model.evaluated import RESAMPLED_SPLITS, Evaluated
from q2pt_tasks.model.lineup import CHAMPION
from q2pt_tasks.model.truth import JUDGEMENTS, Truth

Row = dict[str, Any]


def figure_rows(evaluated: Mapping[str, Evaluated]) -> list[Row]:
    """One row per variant, split, locale and metric."""
    return [
        {"variant": name, "split": split, **asdict(figure)}
        for name, one in evaluated.items()
        for split, figures in one.figures.items()
        for figure in figures
    ]


def interval_rows(evaluated: Mapping[str, Evaluated], level: float) -> list[Row]:
    """One row per variant, split, locale and metric that was resampled."""
    rows = []
    for name, one in evaluated.items():
        for split, resampled in one.resampled.items():
            rows += [
                {"variant": name, "split": split, "locale": locale, "metric": metric, **asdict(found)}
                for (locale, metric), found in figure_intervals(resampled, level).items()
            ]
        rows += [
            {
                "variant": name,
                "split": JUDGEMENTS,
                "locale": found.locale,
                "metric": found.metric,
                **asdict(found.interval),
            }
            for found in one.judged
        ]
    return rows


def difference_rows(evaluated: Mapping[str, Evaluated], level: float) -> list[Row]:
    """One row per pair of variants, split, locale and metric: that of `variant` minus that of `against`."""
    return [
        {
            "variant": name,
            "against": other,
            "split": split,
            "locale": locale,
            "metric": metric,
            "value": found.value,
            **asdict(found.interval),
            "p_value": found.p_value,
        }
        for name, other in combinations(_champion_last(evaluated), 2)
        for split in RESAMPLED_SPLITS
        for (locale, metric), found in differences(
            evaluated[name].resampled[split], evaluated[other].resampled[split], level
        ).items()
    ]


def calibration_rows(evaluated: Mapping[str, Evaluated]) -> list[Row]:
    """One row per variant whose scores are probabilities: of the best type of every query of test, and of all pairs."""
    return [
        {
            "variant": name,
            "split": TEST,
            "best": _reliability(one.calibration.best),
            "pairs": _reliability(one.calibration.pairs),
        }
        for name, one in evaluated.items()
        if one.calibration is not None
    ]


def curve_rows(evaluated: Mapping[str, Evaluated]) -> list[Row]:
    """Points of the precision-recall curves of test."""
    return [
        {"variant": name, "recall": point.recall, "precision": point.precision}
        for name, one in evaluated.items()
        for point in one.curve
    ]


def headline(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float | None]]:
    """What `dvc metrics show` prints: recall at precision 0.8 on test over all locales, per variant."""
    found: dict[str, dict[str, float | None]] = {}
    for row in rows:
        if (row["locale"], row["split"]) == (ALL_LOCALES, TEST) and row["metric"] in ("micro_recall", "macro_recall"):
            found.setdefault(row["variant"], {})[row["metric"]] = row["value"]
    return found


def locale_rows(rows: Sequence[Mapping[str, Any]], truth: Truth) -> list[Row]:
    """One row per variant and locale, for plots."""
    return [
        {
            "variant": row["variant"],
            "locale": row["locale"],
            "micro_recall": row["value"],
            "training_rows": truth.training_rows(row["locale"]),
        }
        for row in rows
        if (row["split"], row["metric"]) == (TEST, "micro_recall") and row["locale"] != ALL_LOCALES
    ]


def _reliability(curve: Reliability) -> Row:
    return {"expected_error": curve.expected_error(), "bins": [asdict(one) for one in curve.bins()]}


def _champion_last(names: Iterable[str]) -> list[str]:
    """So that every difference from the champion is that of a variant minus the champion's."""
    return sorted(names, key=CHAMPION.__eq__)
