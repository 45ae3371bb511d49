"""`evaluate`: every variant, the baselines and the champion on the same queries, at validation's thresholds."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from q2pt_tasks.data.judgements import Judgements, read_judgements
from q2pt_tasks.data.schema import Locales
from q2pt_tasks.data.splits import mark_seen
from q2pt_tasks.layout import Layout
from q2pt_tasks.metrics.intervals import Resampling, Sample
from q2pt_tasks.metrics.thresholds import PRECISION
from q2pt_tasks.model import summary
from q2pt_tasks.model.breakdown import TEST, Breakdown, BreakdownRules
from q2pt_tasks.model.card import judgements_of, rows_of
from q2pt_tasks.model.champion import Champion, champion_folder, read_champion, why_not_comparable
from q2pt_tasks.model.comparison import FolderOf, Ground, Incumbent, Rival, compare
from q2pt_tasks.model.evaluated import RESAMPLED_SPLITS, Evaluated, Rules, evaluate
from q2pt_tasks.model.latency import queries_to_time
from q2pt_tasks.model.lineup import CHAMPION, check_models, model_rows, scorers, variant_cards, variant_folders
from q2pt_tasks.model.truth import JUDGEMENTS, Truth, stored_splits
from q2pt_tasks.model.variants import NON_UNIFIED, Variants
from q2pt_tasks.params import Section, read_section
from q2pt_tasks.sources.judgements import read_judged_rows

LEVEL = 0.95


class EvaluateParams(Section):
    """The section `evaluate`."""

    min_positives: Annotated[int, Field(ge=1)]
    min_support: Annotated[int, Field(ge=1)]
    resamples: Annotated[int, Field(ge=200)]
    seed: Annotated[int, Field(ge=0)]
    min_store_positives: Annotated[int, Field(ge=1)]
    judgements: Annotated[str, Field(min_length=1)] | None
    timed_queries: Annotated[int, Field(ge=1)] | None

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
    asked = _ask(layout, params, locales, variants)
    rules = Rules(params.min_positives, params.min_support, params.plan)
    breakdown = asked.breakdown()
    evaluated = {
        name: evaluate(name, scorer, asked.truth, breakdown, rules)
        for name, scorer in scorers(layout, asked.truth, variants, asked.scored)
    }
    rows = summary.figure_rows(evaluated)
    headline = summary.headline(rows)
    slices = breakdown.slices(CHAMPION)
    _write_summary(asked, rows, headline, summary.difference_rows(evaluated, LEVEL))
    _write(layout.intervals, summary.interval_rows(evaluated, LEVEL))
    _write(layout.calibration, summary.calibration_rows(evaluated))
    _write(layout.precision_recall, summary.curve_rows(evaluated))
    _write(layout.locales, summary.locale_rows(rows, asked.truth))
    _write(layout.slices, slices)
    _write(layout.mistakes, breakdown.mistakes())
    _write(layout.model_card, _card(asked, evaluated))
    _write(layout.comparison, _comparison(asked, evaluated, slices["parity"]))
    return EvaluateReport({name: figures["micro_recall"] for name, figures in headline.items()})


@dataclass(frozen=True)
class _Asked:
    """What is evaluated, and on what.

    Attributes:
        samples: per split whose figures have intervals its queries.
        champion: the model in production, where there is one.
        obstacles: why it cannot be compared fairly, if so: then it is not scored, and the gate says what to do.
    """

    layout: Layout
    params: EvaluateParams
    locales: Sequence[str]
    variants: Sequence[str]
    judgements: Judgements | None
    truth: Truth
    samples: Mapping[str, Sample]
    champion: Champion | None
    obstacles: Sequence[str]

    @property
    def scored(self) -> Champion | None:
        """The champion, where it is scored."""
        return None if self.obstacles else self.champion

    def breakdown(self) -> Breakdown:
        brands = json.loads(self.layout.brands.read_text(encoding="utf-8"))
        rules = BreakdownRules(self.params.plan, self.params.min_support, self.params.min_store_positives)
        return Breakdown(self.truth, self.samples, brands, rules)

    def ground(self) -> Ground:
        """What models are compared on."""
        few = self.params.timed_queries
        timed = queries_to_time(self.truth, few) if few else ()
        resampled = {split: self.samples[split] for split in RESAMPLED_SPLITS}
        return Ground(self.layout, self.truth, resampled, self.params.plan, timed)


def _ask(layout: Layout, params: EvaluateParams, locales: Sequence[str], variants: Sequence[str]) -> _Asked:
    judgements = _read_judgements(layout, params, locales)
    truth = _read_truth(layout, locales, judgements)
    samples = {split: _sample(truth, split) for split in (TEST, *truth.marked)}
    champion = read_champion(layout.champion)
    rule = json.loads(layout.label_space(None).read_text(encoding="utf-8"))["split"]
    obstacles = [] if champion is None else why_not_comparable(layout.root, champion, rule)
    return _Asked(layout, params, locales, variants, judgements, truth, samples, champion, obstacles)


def _write_summary(
    asked: _Asked, rows: Sequence[Any], headline: Mapping[str, Any], differences: Sequence[Mapping[str, Any]]
) -> None:
    """The figures, and how far apart models are: in the summary from the champion, in a file of their own else."""
    champion = asked.champion
    whole = {
        "precision": PRECISION,
        "headline": headline,
        "level": LEVEL,
        "models": model_rows(asked.layout, asked.locales, asked.variants),
        "judgements": None if asked.judgements is None else judgements_of(asked.truth, asked.judgements),
        "champion": None if champion is None else {"version": champion.version, "hash": champion.hash},
        "differences": [one for one in differences if one["against"] == CHAMPION],
        "rows": rows,
    }
    _write(asked.layout.summary, whole)
    _write(asked.layout.differences, [one for one in differences if one["against"] != CHAMPION])


def _card(asked: _Asked, evaluated: Mapping[str, Evaluated]) -> Mapping[str, object]:
    trained = {name: one.thresholds for name, one in evaluated.items() if name in (NON_UNIFIED, *asked.variants)}
    return {"rows": rows_of(asked.truth), "variants": variant_cards(asked.layout, asked.locales, trained)}


def _comparison(
    asked: _Asked, evaluated: Mapping[str, Evaluated], parity: Mapping[str, Mapping[str, Any] | None]
) -> Mapping[str, object]:
    """What the gate decides by."""
    rivals = {
        name: _rival(folder_of, evaluated[name], parity[name])
        for name, folder_of in _compared(asked.layout, asked.variants, asked.scored).items()
    }
    rival = rivals.pop(CHAMPION, None)
    incumbent = None if asked.champion is None else Incumbent(asked.champion, asked.obstacles, rival)
    return compare(asked.ground(), rivals, incumbent)


def _compared(layout: Layout, variants: Sequence[str], champion: Champion | None) -> Mapping[str, FolderOf]:
    """Whose checkpoints are compared: the trained variants and, where it can be scored, the champion."""
    trained = variant_folders(layout, variants)
    return trained if champion is None else {**trained, CHAMPION: champion_folder(layout.root, champion)}


def _rival(folder_of: FolderOf, evaluated: Evaluated, parity: Mapping[str, Any] | None) -> Rival:
    error = None if evaluated.calibration is None else evaluated.calibration.best.expected_error()
    return Rival(folder_of, evaluated.decisive, error, parity, evaluated.judged)


def _read_truth(layout: Layout, locales: Sequence[str], judgements: Judgements | None) -> Truth:
    tables = stored_splits(layout, locales)
    if judgements is not None:
        train = tables["train"]
        tables[JUDGEMENTS] = {locale: mark_seen(table, train[locale]) for locale, table in judgements.tables.items()}
    return Truth(tables, locales)


def _read_judgements(layout: Layout, params: EvaluateParams, locales: Sequence[str]) -> Judgements | None:
    rows = read_judged_rows(params.judgements, layout.root, layout.judgements_manifest)
    return None if rows is None else read_judgements(rows, locales)


def _sample(truth: Truth, split: str) -> Sample:
    """The queries of a split; one that was typed in several locales is one group."""
    sizes = [truth.rows[split][locale] for locale in truth.locales]
    return Sample.of(truth.queries(split), np.repeat(np.arange(len(sizes)), sizes), len(sizes))


def _write(path: Path, document: Mapping[str, object] | Sequence[object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_lines(document) + "\n", encoding="utf-8")


def _lines(document: object) -> str:
    """JSON with a line for every row of a table, and for every other value: small, and a diff names rows."""
    if isinstance(document, Mapping):
        inner = [f"{json.dumps(key, ensure_ascii=False)}: {_lines(value)}" for key, value in document.items()]
        return "{\n" + ",\n".join(inner) + "\n}" if inner else "{}"
    if isinstance(document, Sequence) and not isinstance(document, str):
        return "[\n" + ",\n".join(map(_one_line, document)) + "\n]" if document else "[]"
    return _one_line(document)


def _one_line(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, allow_nan=False)
