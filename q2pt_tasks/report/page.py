"""The run's report as one HTML page, which opens offline and sends no request."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from q2pt_tasks.report import plots, tables
from q2pt_tasks.report.tables import ALL, Scores, StoreRecall, Summary

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


@dataclass(frozen=True)
class Rule:
    """One rule of the promotion decision, with the figures that it looked at."""

    name: str
    passed: bool
    sentence: str
    figures: Mapping[str, Any]


@dataclass(frozen=True)
class Decision:
    """`reports/decision.json`."""

    promote: bool
    candidate: str | None
    champion: Mapping[str, Any] | None
    sentence: str
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class TableRows:
    """Where the rows of one table went."""

    arrived: int
    valid: int
    quarantined: int


@dataclass(frozen=True)
class Validation:
    """What the report says of `reports/validation/result.json`."""

    verdict: str
    tables: Mapping[str, TableRows]


@dataclass(frozen=True)
class Inputs:
    """All that the page is made of. Names in it are other people's text: the page escapes every one."""

    summary: Summary
    curves: tuple[plots.CurvePoint, ...]
    stores: tuple[StoreRecall, ...]
    decision: Decision
    validation: Validation


def render(title: str, inputs: Inputs) -> str:
    """The page. Equal inputs give equal text.

    Raises:
        ValueError: the summary gives one figure twice.
    """
    summary = inputs.summary
    variants = tables.in_order(row.variant for row in summary.rows)
    template = _environment().get_template("report.html")
    return template.render(
        title=title,
        decision=inputs.decision,
        validation=inputs.validation,
        precision=summary.precision,
        champion=summary.champion,
        variants=variants,
        meanings=VARIANT_MEANINGS,
        training=tables.training_table(summary.models),
        problems=[model for model in summary.models if model.status != "trained"],
        **_figures(inputs, variants),
    )


def _figures(inputs: Inputs, variants: tuple[str, ...]) -> dict[str, object]:
    """The tables and plots that need the scores."""
    scores, precision = Scores(inputs.summary.rows), inputs.summary.precision
    training_rows = tables.training_rows_of(inputs.stores)
    locales = tables.locales_in_order(inputs.summary.rows, training_rows)
    rows_by_locale = {
        ALL: sum(training_rows.values()) if training_rows else None,
        **{locale: training_rows.get(locale) for locale in locales},
    }
    return {
        "headline": tables.headline_rows(scores, variants),
        "locales": tables.locale_rows(scores, variants, rows_by_locale),
        "coverage": tables.coverage_rows(scores, variants, (ALL, *locales)),
        "bars": plots.recall_bars(scores, variants, locales, precision),
        "by_training_rows": plots.recall_by_training_rows(inputs.stores, precision),
        "curves": plots.precision_recall_curves(inputs.curves, precision),
    }


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("q2pt_tasks.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": tables.number, "count": tables.count, "figure": tables.figure}
    return environment
