"""`evaluate`: every variant, the baselines and the champion on the same queries, at validation's thresholds."""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow.parquet as pq
from pydantic import Field

from q2pt_tasks.data.judgements import Judgements, read_judgements
from q2pt_tasks.data.schema import Locales
from q2pt_tasks.data.splits import mark_seen
from q2pt_tasks.layout import SPLITS, Layout
from q2pt_tasks.metrics.calibration import calibrate
from q2pt_tasks.metrics.intervals import Resampling, Sample
from q2pt_tasks.metrics.measurements import ALL_LOCALES, Measured, measure
from q2pt_tasks.metrics.mistakes import surest_mistakes
from q2pt_tasks.metrics.resampled import Resampled, differences, figure_intervals, resample
from q2pt_tasks.metrics.scored import Scored
from q2pt_tasks.metrics.thresholds import PRECISION, Thresholds, choose_thresholds
from q2pt_tasks.model.breakdown import MOST_MISTAKES, Breakdown, BreakdownRules
from q2pt_tasks.model.card import judgements_of, rows_of
from q2pt_tasks.model.champion import champion_folder, read_champion, why_not_comparable
from q2pt_tasks.model.comparison import Ground, Incumbent, Rival, compare
from q2pt_tasks.model.lineup import CHAMPION, check_models, model_rows, scorers, variant_cards, variant_folders
from q2pt_tasks.model.score_stream import ScoreStream, Selected
from q2pt_tasks.model.scorers import Scorer
from q2pt_tasks.model.truth import FORWARD, JUDGEMENTS, Truth
from q2pt_tasks.model.variants import NON_UNIFIED, UNIFIED_VARIANTS, Variants
from q2pt_tasks.params import Section, read_section
from q2pt_tasks.sources.judgements import read_judged_rows

log = logging.getLogger(__name__)

MAX_CURVE_POINTS = 200
# The splits whose figures have intervals: those that decide.
RESAMPLED_SPLITS = ("test", FORWARD)
LEVEL = 0.95
# Whose scores are probabilities; those of the linear baselines are distances.
PROBABILITIES = (NON_UNIFIED, *UNIFIED_VARIANTS, CHAMPION)


class EvaluateParams(Section):
    """The section `evaluate`."""

    min_positives: Annotated[int, Field(ge=1)]
    min_support: Annotated[int, Field(ge=1)]
    resamples: Annotated[int, Field(ge=200)]
    seed: Annotated[int, Field(ge=0)]
    min_store_positives: Annotated[int, Field(ge=1)]
    judgements: Annotated[str, Field(min_length=1)] | None

    @property
    def plan(self) -> Resampling:
        return Resampling(self.resamples, self.seed, LEVEL)


@dataclass(frozen=True)
class EvaluateReport:
    """Micro recall at precision 0.8 on test over all locales, per variant."""

    micro_recall: Mapping[str, float | None]

    def __str__(self) -> str:
        figures = (f"{name} {'-' if value is None else f'{value:.3f}'}" for name, value in self.micro_recall.items())
        return f"micro recall at precision {PRECISION} on test: {', '.join(figures)}"


@dataclass(frozen=True)
class _Evaluated:
    """A variant's figures: rows of the summary, points of its precision-recall curve on test, and its resamples."""

    thresholds: Thresholds

    rows: list[dict[str, Any]]
    points: list[dict[str, Any]]
    resampled: Mapping[str, Resampled]
    calibration: dict[str, Any] | None
    measured: Mapping[str, Measured]


def main(layout: Layout) -> EvaluateReport:
    return run(
        layout,
        read_section(layout.params, "evaluate", EvaluateParams),
        locales=read_section(layout.params, "locales", Locales),
        variants=read_section(layout.params, "variants", Variants),
    )


def run(layout: Layout, params: EvaluateParams, *, locales: Sequence[str], variants: Sequence[str]) -> EvaluateReport:
    """Writes all below `metrics/`.

    Raises:
        StrayModelError: the trained models are not those of the params.
        ChampionError: the champion cannot be found, or is not the one that was resolved.
        CheckpointError: a checkpoint does not keep its contract.
        SourceError: the judgements are not those that were resolved, or cannot be read.
        JudgementsError: one of their rows says nothing that can be scored.
    """
    check_models(layout, locales, variants)
    judgements = _read_judgements(layout, params, locales)
    truth = _read_truth(layout, locales, judgements)
    champion = read_champion(layout.champion)
    split = json.loads(layout.label_space(None).read_text(encoding="utf-8"))["split"]
    obstacles = [] if champion is None else why_not_comparable(layout.root, champion, split)
    # One that cannot be compared fairly is not scored; the gate says what to do.
    scored = None if obstacles else champion
    samples = {split: _sample(truth, split) for split in RESAMPLED_SPLITS}
    rules = BreakdownRules(params.plan, params.min_support, params.min_store_positives)
    breakdown = Breakdown(truth, samples, json.loads(layout.brands.read_text(encoding="utf-8")), rules)
    evaluated = {
        name: _evaluate(name, scorer, truth, breakdown, params)
        for name, scorer in scorers(layout, truth, variants, scored)
    }
    rows = [row for variant in evaluated.values() for row in variant.rows]
    headline = _headline(rows)
    summary = {
        "precision": PRECISION,
        "headline": headline,
        "rows": rows,
        "level": LEVEL,
        "intervals": _intervals(evaluated),
        "differences": _differences(evaluated),
        "calibration": [one.calibration for one in evaluated.values() if one.calibration],
        "models": model_rows(layout, locales, variants),
        "judgements": None if judgements is None else judgements_of(truth, judgements),
        "champion": None if champion is None else {"version": champion.version, "hash": champion.hash},
    }
    _write(layout.summary, summary)
    _write(layout.precision_recall, [point for variant in evaluated.values() for point in variant.points])
    _write(layout.locales, _locale_rows(rows, truth))
    slices = breakdown.slices(CHAMPION)
    _write(layout.slices, slices)
    _write(layout.mistakes, breakdown.mistakes())
    trained = {name: one.thresholds for name, one in evaluated.items() if name in (NON_UNIFIED, *variants)}
    _write(layout.model_card, {"rows": rows_of(truth), "variants": variant_cards(layout, locales, trained)})
    folders = variant_folders(layout, variants) | (
        {CHAMPION: champion_folder(layout.root, scored)} if scored is not None else {}
    )
    rivals = {
        name: Rival(folder_of, evaluated[name].measured, _expected_error(evaluated[name]), slices["parity"][name])
        for name, folder_of in folders.items()
    }
    rival = rivals.pop(CHAMPION, None)
    incumbent = None if champion is None else Incumbent(champion, obstacles, rival)
    _write(layout.comparison, compare(Ground(layout, truth, samples, params.plan), rivals, incumbent))
    return EvaluateReport({name: figures["micro_recall"] for name, figures in headline.items()})


def _read_truth(layout: Layout, locales: Sequence[str], judgements: Judgements | None) -> Truth:
    tables = {
        split: {locale: pq.ParquetFile(layout.split(locale, split)).read() for locale in locales} for split in SPLITS
    }
    if judgements is not None:
        train = tables["train"]
        tables[JUDGEMENTS] = {locale: mark_seen(table, train[locale]) for locale, table in judgements.tables.items()}
    return Truth(tables, locales)


def _read_judgements(layout: Layout, params: EvaluateParams, locales: Sequence[str]) -> Judgements | None:
    rows = read_judged_rows(params.judgements, layout.root, layout.judgements_manifest)
    return None if rows is None else read_judgements(rows, locales)


def _sample(truth: Truth, split: str) -> Sample:
    """The queries of a split; one that was typed in several locales is one group."""
    sizes = [len(truth.tables[split][locale]) for locale in truth.locales]
    return Sample.of(truth.queries(split), np.repeat(np.arange(len(sizes)), sizes), len(sizes))


def _evaluate(name: str, scorer: Scorer, truth: Truth, breakdown: Breakdown, params: EvaluateParams) -> _Evaluated:
    log.info("evaluating %s", name)
    with ScoreStream(truth, "validation", scorer) as validation:
        thresholds = choose_thresholds(validation, PRECISION, params.min_positives)

        def measured(blocks: Iterable[Scored]) -> Measured:
            return measure(blocks, thresholds, PRECISION, params.min_support)

        on = {"validation": measured(validation)}
    with ScoreStream(truth, "test", scorer) as test:
        on["test"] = measured(test)
        calibration = _calibration(name, test) if name in PROBABILITIES else None
        mistakes = surest_mistakes(test, thresholds, MOST_MISTAKES)
    for split in truth.marked:
        with ScoreStream(truth, split, scorer) as blocks:
            seen = truth.seen(split)
            on[split] = measured(blocks)
            on[f"{split}_seen"] = measured(Selected(blocks, seen))
            on[f"{split}_unseen"] = measured(Selected(blocks, ~seen))
    breakdown.add_test(name, on["test"].observed.answers, mistakes)
    breakdown.add_forward(name, on[FORWARD].observed.answers)
    rows = [
        {"variant": name, "split": split, **asdict(one)} for split, found in on.items() for one in found.measurements
    ]
    points = on["test"].curves.overall.points(MAX_CURVE_POINTS)
    curve = [{"variant": name, "recall": point.recall, "precision": point.precision} for point in points]
    resampled = {split: resample(on[split], sample, params.plan) for split, sample in breakdown.samples.items()}
    # Baselines are not compared with the champion.
    decisive = {split: on[split] for split in RESAMPLED_SPLITS} if name in PROBABILITIES else {}
    return _Evaluated(thresholds, rows, curve, resampled, calibration, decisive)


def _calibration(name: str, blocks: Iterable[Scored]) -> dict[str, Any]:
    """Of the best type of every query of test, and of all pairs."""
    found = calibrate(blocks)
    return {
        "variant": name,
        "split": "test",
        **{
            kind: {"expected_error": curve.expected_error(), "bins": [asdict(one) for one in curve.bins()]}
            for kind, curve in (("best", found.best), ("pairs", found.pairs))
        },
    }


def _expected_error(evaluated: _Evaluated) -> float | None:
    error: float | None = evaluated.calibration["best"]["expected_error"] if evaluated.calibration else None
    return error


def _intervals(evaluated: Mapping[str, _Evaluated]) -> list[dict[str, Any]]:
    """One entry per variant, split, locale and figure at frozen thresholds."""
    return [
        {"variant": name, "split": split, "locale": locale, "metric": metric, **asdict(found)}
        for name, one in evaluated.items()
        for split, resampled in one.resampled.items()
        for (locale, metric), found in figure_intervals(resampled, LEVEL).items()
    ]


def _differences(evaluated: Mapping[str, _Evaluated]) -> list[dict[str, Any]]:
    """One entry per pair of variants, split, locale and figure: that of `variant` minus that of `against`."""
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
            evaluated[name].resampled[split], evaluated[other].resampled[split], LEVEL
        ).items()
    ]


def _champion_last(names: Iterable[str]) -> list[str]:
    """So that every difference from the champion is that of a variant minus the champion's."""
    return sorted(names, key=CHAMPION.__eq__)


def _headline(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float | None]]:
    """What `dvc metrics show` prints: recall at precision 0.8 on test over all locales, per variant."""
    headline: dict[str, dict[str, float | None]] = {}
    for row in rows:
        if (
            row["locale"] == ALL_LOCALES
            and row["split"] == "test"
            and row["metric"] in ("micro_recall", "macro_recall")
        ):
            headline.setdefault(row["variant"], {})[row["metric"]] = row["value"]
    return headline


def _locale_rows(rows: Sequence[Mapping[str, Any]], truth: Truth) -> list[dict[str, Any]]:
    """One entry per variant and locale, for plots."""
    return [
        {
            "variant": row["variant"],
            "locale": row["locale"],
            "micro_recall": row["value"],
            "training_rows": truth.training_rows(row["locale"]),
        }
        for row in rows
        if row["split"] == "test" and row["metric"] == "micro_recall" and row["locale"] != ALL_LOCALES
    ]


def _write(path: Path, document: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
