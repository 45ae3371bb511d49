"""Real text: does sharing lift small stores on Google's product taxonomy, 17 locales?"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from ruamel.yaml import YAML

from q2pt_tasks.layout import Layout
from q2pt_tasks.params import Seed, read_section
from q2pt_tasks.report.plots import recall_bars
from q2pt_tasks.report.tables import ALL, Scores, Summary, in_order
from q2pt_tasks.studies.machine import describe_machine
from q2pt_tasks.studies.pages import bullet, code, figure, table
from q2pt_tasks.studies.workspace import Workspace, prepare_workspace

NAME = "google_taxonomy"
PAGE = Path("docs/results/google-taxonomy.md")
PLOT = PAGE.with_suffix(".svg")
CHANGES = Path(__file__).with_suffix(".yaml")

INTRODUCTION = (
    "Query = the name of a category, product type = its ancestor at level 2 (192 of them), 17 locales. The test set is "
    "20 % of the queries, by a hash of their text, the same side in every locale, and is never thinned. Recall at "
    "precision 0.8, at thresholds chosen on validation; *curve*: the best point of the test curve, as in the paper."
)
UNIFIED = ("unified_agnostic", "unified_aware")
OWN = "non_unified"


@dataclass(frozen=True)
class Findings:
    """What the page says: the evaluation, the rows that each locale trained on, and the groups of locales."""

    summary: Summary
    training_rows: Mapping[str, int]
    groups: Mapping[str, tuple[str, ...]]
    seed: int

    @property
    def scores(self) -> Scores:
        return Scores(self.summary.rows)

    @property
    def variants(self) -> tuple[str, ...]:
        return in_order(row.variant for row in self.summary.rows)


def study(root: Path, taxonomy: str | None, encoder: str | None) -> Path:
    """Runs the pipeline in a copy of the project and writes the page of results.

    Args:
        root: the repository's root.
        taxonomy: directory with Google's files; downloaded where None.
        encoder: name or directory of a pre-trained encoder; that of the params where None.
    """
    workspace = prepare(root, taxonomy, encoder)
    workspace.run_pipeline()
    return write_page(root, workspace.layout, read_changes(), encoder)


def prepare(root: Path, taxonomy: str | None, encoder: str | None) -> Workspace:
    """The copy of the project in which the study runs, with its params. Arguments as in `study`."""
    own = {"ingest.google_taxonomy.path": taxonomy} | ({"encoder.name": encoder} if encoder else {})
    return prepare_workspace(root, NAME, {**read_changes(), **own})


def read_changes() -> dict[str, Any]:
    """What the study changes in params.yaml."""
    return dict(YAML(typ="safe").load(CHANGES.read_text(encoding="utf-8")))


def write_page(root: Path, layout: Layout, changes: Mapping[str, Any], encoder: str | None) -> Path:
    """Writes the page and its plot from a pipeline that has run."""
    findings = read_findings(layout, changes["split.keep_share"])
    locales = [locale for group in findings.groups.values() for locale in group]
    svg = recall_bars(findings.scores, [*UNIFIED, OWN, "tfidf_unified"], locales, findings.summary.precision)
    target = root / PAGE
    target.parent.mkdir(parents=True, exist_ok=True)
    (root / PLOT).write_text(str(svg), encoding="utf-8")
    target.write_text(page(findings, changes, Path(encoder).name if encoder else None), encoding="utf-8")
    return target


def read_findings(layout: Layout, keep_share: Mapping[str, float]) -> Findings:
    summary = TypeAdapter(Summary).validate_json(layout.summary.read_text(encoding="utf-8"))
    rows = {row["locale"]: row["training_rows"] for row in json.loads(layout.locales.read_text(encoding="utf-8"))}
    return Findings(summary, rows, groups_by_share(rows, keep_share), read_section(layout.params, "seed", Seed))


def groups_by_share(training_rows: Mapping[str, int], keep_share: Mapping[str, float]) -> dict[str, tuple[str, ...]]:
    """Locales by the share of their training rows that they keep, the largest share first."""
    shares = sorted({keep_share.get(locale, 1.0) for locale in training_rows}, reverse=True)
    return {
        f"{share:.0%} kept": tuple(sorted(name for name in training_rows if keep_share.get(name, 1.0) == share))
        for share in shares
    }


def page(findings: Findings, changes: Mapping[str, Any], encoder: str | None) -> str:
    """The page as Markdown."""
    options = f" ENCODER=path/to/{encoder}" if encoder else ""
    training = {
        variant: sum(model.seconds for model in findings.summary.models if model.variant == variant)
        for variant in (*UNIFIED, OWN)
    }
    seconds = ", ".join(f"{variant} {value:,.0f} s" for variant, value in training.items())
    return (
        "\n\n".join(
            [
                "# Google product taxonomy: does sharing lift small stores?",
                INTRODUCTION,
                code(f"make taxonomy TAXONOMY=path/to/google-product-taxonomy{options}"),
                f"{describe_machine()}. Training took, starts left out: {seconds}. Seed {findings.seed}. "
                "Changed against `params.yaml`:",
                code("\n".join(f"{key}: {json.dumps(value)}" for key, value in changes.items())),
                "## Over all locales",
                _headline(findings),
                "## By size of store",
                "Micro recall at precision 0.8 on test, mean over the group's locales.",
                _group_table(findings),
                "## Every locale",
                _locale_table(findings),
                figure("Micro recall per locale and variant", PLOT.name),
                "## What it says",
                *_conclusions(findings),
            ]
        )
        + "\n"
    )


def _headline(findings: Findings) -> str:
    metrics = (
        "micro_recall",
        "micro_precision",
        "micro_recall_curve",
        "macro_recall",
        "macro_recall_curve",
        "micro_average_precision",
    )
    rows = [[name, *(findings.scores.value(name, metric) for metric in metrics)] for name in findings.variants]
    return table(["variant", *(metric.replace("_", " ") for metric in metrics)], rows)


def _group_table(findings: Findings) -> str:
    rows: list[list[object]] = []
    for group, locales in findings.groups.items():
        for metric, word in (("micro_recall", "thresholds of validation"), ("micro_recall_curve", "curve")):
            means = [_mean(findings.scores, name, metric, locales) for name in findings.variants]
            rows.append([group, word, len(locales), *means])
    return table(["group", "at", "locales", *findings.variants], rows)


def _locale_table(findings: Findings) -> str:
    rows = [
        [
            locale,
            findings.training_rows[locale],
            int(findings.scores.n(OWN, "micro_recall", locale) or 0),
            *(findings.scores.value(name, "micro_recall", locale) for name in findings.variants),
        ]
        for group in findings.groups.values()
        for locale in group
    ]
    return table(["locale", "training rows", "test positives", *findings.variants], rows)


def _mean(scores: Scores, variant: str, metric: str, locales: Sequence[str]) -> float:
    values = [scores.value(variant, metric, locale) or 0.0 for locale in locales]
    return sum(values) / len(values)


def _conclusions(findings: Findings) -> list[str]:
    small = list(findings.groups.values())[-1]
    scores = findings.scores
    lines = []
    every = sorted(findings.training_rows)
    for metric, at in (("micro_recall", "at validation's thresholds"), ("micro_recall_curve", "on the test curve")):
        for variant in UNIFIED:
            lost = _not_ahead(scores, metric, variant, OWN, small)
            lines.append(bullet(f"{at}, {variant} above per-locale training in every small locale: {lost}."))
            lost = _not_ahead(scores, metric, variant, "tfidf_unified", [ALL])
            lines.append(bullet(f"{at}, {variant} above all-locale TF-IDF over all locales: {lost}."))
        lost = _not_ahead(scores, metric, OWN, "tfidf_per_locale", every)
        lines.append(bullet(f"{at}, per-locale fine-tuning above per-locale TF-IDF in every locale: {lost}."))
    return lines


def _not_ahead(scores: Scores, metric: str, variant: str, other: str, locales: Sequence[str]) -> str:
    """`yes` where `variant` is above `other` in all of `locales`, else where it is not."""

    def value(name: str, locale: str) -> float:
        return scores.value(name, metric, locale) or 0.0

    lost = [locale for locale in locales if value(variant, locale) <= value(other, locale)]
    return f"no, not in {', '.join(lost)}" if lost else "yes"
