"""The synthetic log over several seeds: small stores, and words that mean something else in another store."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from q2pt_tasks.data.queries import normalise_query
from q2pt_tasks.data.schema import Locales
from q2pt_tasks.data.splits import SplitRules
from q2pt_tasks.layout import Layout
from q2pt_tasks.model.prediction import Predictor
from q2pt_tasks.params import read_section
from q2pt_tasks.report.tables import Scores, Summary
from q2pt_tasks.sources.synthetic.source import PlantedQuery, planted_queries
from q2pt_tasks.stages.ingest import IngestParams
from q2pt_tasks.stages.split import SplitParams
from q2pt_tasks.studies.machine import describe_machine
from q2pt_tasks.studies.pages import bullet, code, table
from q2pt_tasks.studies.workspace import Workspace, prepare_workspace

NAME = "synthetic_seeds"
PAGE = Path("docs/results/synthetic-seeds.md")
OWN, AGNOSTIC, AWARE = "non_unified", "unified_agnostic", "unified_aware"
# Stores with at most this share of the largest store's traffic are small.
SMALL = 0.1


@dataclass(frozen=True)
class SeedFindings:
    """One seed: the evaluation, the small stores, and how often a variant's first guess on planted queries is right.

    `planted` counts held-out planted queries whose meaning differs by store; `right` is the share per variant.
    """

    seed: int
    scores: Scores
    small: tuple[str, ...]
    planted: int
    right: dict[str, float]


def study(root: Path, seeds: Sequence[int]) -> Path:
    """Runs the whole pipeline once per seed, of log and of training, and writes the page of results."""
    findings = []
    for seed in seeds:
        changes = {"ingest.source": "synthetic", "seed": seed, "ingest.synthetic.seed": seed}
        workspace = prepare_workspace(root, f"{NAME}/{seed}", changes)
        workspace.run_pipeline()
        findings.append(_findings(workspace, seed))
    target = root / PAGE
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(_page(findings), encoding="utf-8")
    return target


def _findings(workspace: Workspace, seed: int) -> SeedFindings:
    layout = workspace.layout
    ingest = read_section(layout.params, "ingest", IngestParams).synthetic
    locales = read_section(layout.params, "locales", Locales)
    summary = TypeAdapter(Summary).validate_json(layout.summary.read_text(encoding="utf-8"))
    sizes = {locale: ingest.store_sizes.get(locale, 1.0) for locale in locales}
    rules = read_section(layout.params, "split", SplitParams).rules()
    held_out = held_out_planted(planted_queries(ingest, locales), rules)
    return SeedFindings(
        seed=seed,
        scores=Scores(summary.rows),
        small=tuple(locale for locale in locales if sizes[locale] <= SMALL * max(sizes.values())),
        planted=len(held_out),
        right={variant: _share_right(layout, variant, held_out) for variant in (AGNOSTIC, AWARE)},
    )


def held_out_planted(planted: Sequence[PlantedQuery], rules: SplitRules) -> list[PlantedQuery]:
    """Planted queries of the test side whose text means different types in different stores."""
    meanings: dict[str, set[str]] = {}
    for query in planted:
        meanings.setdefault(query.query, set()).add(query.product_type)
    return [
        query
        for query in planted
        if len(meanings[query.query]) > 1 and rules.side(normalise_query(query.query)) == "test"
    ]


def _share_right(layout: Layout, variant: str, planted: Sequence[PlantedQuery]) -> float:
    """Share of the planted queries whose best-scored product type is what the store's shoppers mean."""
    predictor = Predictor.load(layout.unified_model(variant))
    types = np.array(predictor.metadata.product_types)
    right = 0
    for locale in sorted({query.locale for query in planted}):
        own = [query for query in planted if query.locale == locale]
        best = types[predictor.scores([query.query for query in own], locale).argmax(axis=1)]
        right += sum(guess == query.product_type for guess, query in zip(best, own, strict=True))
    return right / len(planted)


def _page(findings: Sequence[SeedFindings]) -> str:
    seeds = " ".join(str(found.seed) for found in findings)
    return (
        "\n\n".join(
            [
                "# Synthetic log: small stores, and words that differ by store",
                "The whole pipeline with the default params, each seed a log and trainings of its own. Recall is micro "
                "recall at precision 0.8 on test, at thresholds chosen on validation.",
                code(f'make seeds SEEDS="{seeds}"'),
                f"{describe_machine()}.",
                "## Planted queries",
                "Queries of the test side whose word means another product type in another store of the same language "
                "(`pants`). Share whose best-scored type is the store's own meaning.",
                table(
                    ["seed", "queries", AGNOSTIC, AWARE],
                    [[f.seed, f.planted, f.right[AGNOSTIC], f.right[AWARE]] for f in findings],
                ),
                "## Small stores",
                table(["store", *_columns(findings)], [_store(findings, store) for store in findings[0].small]),
                "## All stores",
                table(["", *_columns(findings)], [_store(findings, "all")]),
                "## What it says",
                *_conclusions(findings),
            ]
        )
        + "\n"
    )


def _columns(findings: Sequence[SeedFindings]) -> list[str]:
    return [f"{variant}, seed {found.seed}" for found in findings for variant in (OWN, AGNOSTIC, AWARE)]


def _store(findings: Sequence[SeedFindings], store: str) -> list[object]:
    variants = (OWN, AGNOSTIC, AWARE)
    return [store, *(found.scores.value(variant, "micro_recall", store) for found in findings for variant in variants)]


def _conclusions(findings: Sequence[SeedFindings]) -> list[str]:
    ahead = sum(found.right[AWARE] > found.right[AGNOSTIC] for found in findings)
    lines = [
        bullet(f"unified_aware ahead of unified_agnostic on planted queries: in {ahead} of {len(findings)} seeds.")
    ]
    for variant in (AGNOSTIC, AWARE):
        pairs = [(found.seed, store) for found in findings for store in found.small]
        lost = [(found.seed, store) for found in findings for store in found.small if not _beats(found, variant, store)]
        names = ", ".join(f"{store} (seed {seed})" for seed, store in lost)
        lines.append(
            bullet(
                f"{variant} ahead of non_unified in {len(pairs) - len(lost)} of {len(pairs)} small stores and seeds"
                + (f"; not in {names}." if lost else ".")
            )
        )
    return lines


def _beats(found: SeedFindings, variant: str, store: str) -> bool:
    own, other = (found.scores.value(name, "micro_recall", store) or 0.0 for name in (variant, OWN))
    return own > other
