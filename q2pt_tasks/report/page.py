"""The run's report as one HTML page, which opens offline and sends no request."""

import base64
import hashlib
from collections.abc import Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from q2pt_tasks.report import changes, formats, plots, tables
from q2pt_tasks.report.heat_map import FEW, heat_map
from q2pt_tasks.report.inputs import Inputs
from q2pt_tasks.report.tables import ALL, Scores
from q2pt_tasks.report.tiles import tiles

# What each variant is, for a reader who has not met it. A variant that is not named here is shown by its name alone.
VARIANT_MEANINGS = {
    "non_unified": "one model per locale, trained on that locale alone; input: the query",
    "unified_agnostic": "one model, trained on all locales; input: the query",
    "unified_aware": "one model, trained on all locales; input: a locale token and the query",
    "majority": "baseline: the most frequent product types, whatever the query",
    "tfidf_per_locale": "baseline: TF-IDF features and a linear model, one per locale",
    "tfidf_unified": "baseline: TF-IDF features and a linear model, one for all locales",
    "champion": "the model in production when the run began",
}
# How queries or types are divided, in words.
DIMENSIONS = {
    "support": "clicks of the type",
    "store": "store",
    "length": "length",
    "script": "script",
    "meaning": "meaning",
    "brand": "brand",
    "seen": "newest days",
}


def render(title: str, inputs: Inputs) -> str:
    """The page. Equal inputs give equal text.

    Raises:
        ValueError: the summary gives one figure twice.
    """
    summary, environment = inputs.summary, _environment()
    variants = tables.in_order(row.variant for row in summary.rows)
    style, script = _source(environment, "report.css"), _source(environment, "report.js")
    return environment.get_template("report.html").render(
        title=title,
        style=style,
        style_hash=_policy_hash(style),
        script=script,
        script_hash=_policy_hash(script),
        decision=inputs.decision,
        validation=inputs.validation,
        window=inputs.window,
        card=inputs.card,
        judged=summary.judgements,
        precision=summary.precision,
        level=inputs.slices.level,
        variants=variants,
        meanings=VARIANT_MEANINGS,
        dimensions=DIMENSIONS,
        few=FEW,
        training=tables.training_table(summary.models),
        problems=[model for model in summary.models if model.status != "trained"],
        **_figures(inputs, variants),
    )


def _figures(inputs: Inputs, variants: Sequence[str]) -> dict[str, object]:
    """The tables and plots that need the scores."""
    scores, precision = Scores(inputs.summary.rows, inputs.intervals), inputs.summary.precision
    training_rows = tables.training_rows_of(inputs.stores)
    locales = tables.locales_in_order(inputs.summary.rows, training_rows)
    rows_by_locale = {
        ALL: sum(training_rows.values()) if training_rows else None,
        **{locale: training_rows.get(locale) for locale in locales},
    }
    return {
        **_of_candidate(inputs, scores, variants, locales),
        "locale_names": locales,
        "headline": tables.headline_rows(scores, variants, inputs.slices.rows),
        "ranking": tables.ranking_rows(scores, variants),
        "locales": tables.locale_rows(scores, variants, rows_by_locale),
        "coverage": tables.coverage_rows(scores, variants, (ALL, *locales)),
        "by_training_rows": plots.recall_by_training_rows(inputs.stores, precision),
        "reliability": plots.reliability_curves(inputs.calibration),
        "calibration": inputs.calibration,
        "curves": plots.precision_recall_curves(inputs.curves, precision),
    }


def _of_candidate(inputs: Inputs, scores: Scores, variants: Sequence[str], locales: Sequence[str]) -> dict[str, object]:
    """What is said of one variant: the candidate or, where there is none, the first that was trained."""
    shown = inputs.decision.candidate or next(iter(variants), "no variant")
    return {
        "shown": shown,
        "has_champion": changes.CHAMPION in variants,
        "tiles": tiles(inputs.slices, scores, shown),
        "metrics": changes.metric_changes(inputs.summary, scores, shown),
        "by_locale": changes.locale_changes(inputs.slices, shown, locales),
        "parts": changes.part_changes(inputs.slices, shown),
        "has_brands": any(row.dimension == "brand" for row in inputs.slices.rows),
        "parity": inputs.slices.parity.get(shown),
        "heat": heat_map(inputs.slices, shown, locales),
        "mistakes": inputs.mistakes.get(shown),
    }


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("q2pt_tasks.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": formats.number,
        "short": formats.short,
        "signed": formats.signed,
        "percent": formats.percent,
        "count": formats.count,
        "figure": formats.figure,
    }
    return environment


def _source(environment: Environment, name: str) -> Markup:
    """Style or script of our own, as it stands."""
    assert environment.loader is not None  # noqa: S101 - set above
    return Markup(environment.loader.get_source(environment, name)[0])  # noqa: S704 - no text of the log's


def _policy_hash(text: str) -> str:
    """The source of an inline style or script, as a content security policy allows it."""
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
