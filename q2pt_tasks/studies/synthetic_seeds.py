"""The synthetic log over several seeds: small stores, and words that mean something else in another store."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from q2pt_tasks.data.queries import normalise_query
from q2pt_tasks.data.schema import Locales
from q2pt_tasks.data.splits import SplitRules
from q2pt_tasks.layout import Layout
from q2pt_tasks.metrics.measurements import measure
from q2pt_tasks.metrics.thresholds import PRECISION, choose_thresholds
from q2pt_tasks.model.prediction import Predictor
from q2pt_tasks.model.scorers import CheckpointScorer
from q2pt_tasks.model.truth import read_truth
from q2pt_tasks.params import read_section
from q2pt_tasks.report.tables import Scores, Summary
from q2pt_tasks.sources.synthetic.source import PlantedQuery, planted_queries
from q2pt_tasks.stages.evaluate import EvaluateParams
from q2pt_tasks.stages.ingest import IngestParams
from q2pt_tasks.stages.split import SplitParams
from q2pt_tasks.studies.machine import describe_machine
from q2pt_tasks.studies.pages import bullet, code, table
from q2pt_tasks.studies.workspace import prepare_workspace

NAME = "synthetic_seeds"
PAGE = Path("docs/results/synthetic-seeds.md")
OWN, AGNOSTIC, AWARE = "non_unified", "unified_agnostic", "unified_aware"
EVERY = (OWN, AGNOSTIC, AWARE, "tfidf_per_locale", "tfidf_unified")
# Stores with at most this share of the largest store's traffic are small.
SMALL = 0.1


@dataclass(frozen=True)
class SeedFindings:
    """One seed: the evaluation, the small stores, and how often a variant's first guess on planted queries is right.

    Attributes:
        planted: number of held-out planted queries whose meaning differs by store.
        right: per variant the share of them whose best-scored type is right.
        unplanted: per variant and small store the micro recall on the test queries that are not planted.
        planted_share: per small store the share of the test queries that are planted.
    """

    seed: int
    scores: Scores
    small: tuple[str, ...]
    planted: int
    right: Mapping[str, float]
    unplanted: Mapping[str, Mapping[str, float | None]]
    planted_share: Mapping[str, float]


Recall = Callable[[SeedFindings, str, str], float | None]


def study(root: Path, seeds: Sequence[int]) -> Path:
    """Runs the whole pipeline once per seed, of log and of training, and writes the page of results."""
    findings = []
    for seed in seeds:
        changes = {"ingest.source": "synthetic", "seed": seed, "ingest.synthetic.seed": seed}
        workspace = prepare_workspace(root, f"{NAME}/{seed}", changes)
        workspace.run_pipeline()
        findings.append(read_findings(workspace.layout, seed))
    return write_page(root, findings)


def write_page(root: Path, findings: Sequence[SeedFindings]) -> Path:
    """Writes the page from pipelines that have run."""
    target = root / PAGE
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(_page(findings), encoding="utf-8")
    return target


def read_findings(layout: Layout, seed: int) -> SeedFindings:
    """What the pipeline of one seed has left in `layout`."""
    ingest = read_section(layout.params, "ingest", IngestParams).synthetic
    locales = read_section(layout.params, "locales", Locales)
    summary = TypeAdapter(Summary).validate_json(layout.summary.read_text(encoding="utf-8"))
    sizes = {locale: ingest.store_sizes.get(locale, 1.0) for locale in locales}
    small = tuple(locale for locale in locales if sizes[locale] <= SMALL * max(sizes.values()))
    planted = planted_queries(ingest, locales)
    held_out = held_out_planted(planted, read_section(layout.params, "split", SplitParams).rules())
    unplanted = UnplantedTest(layout, locales, planted)
    return SeedFindings(
        seed=seed,
        scores=Scores(summary.rows),
        small=small,
        planted=len(held_out),
        right={variant: _share_right(layout, variant, held_out) for variant in (AGNOSTIC, AWARE)},
        unplanted={variant: unplanted.micro_recall(variant) for variant in (OWN, AGNOSTIC, AWARE)},
        planted_share={locale: unplanted.planted_share(locale) for locale in small},
    )


class UnplantedTest:
    """The test split without the planted queries, which are as many in a small store as in a large one."""

    def __init__(self, layout: Layout, locales: Sequence[str], planted: Sequence[PlantedQuery]) -> None:
        self._layout = layout
        self._min_positives = read_section(layout.params, "evaluate", EvaluateParams).min_positives
        self._truth = read_truth(layout, locales)
        texts = {locale: {normalise_query(one.query) for one in planted if one.locale == locale} for locale in locales}
        self._planted = {
            locale: np.array([query in texts[locale] for query in labeled.queries], dtype=bool)
            for locale, labeled in self._truth.labeled("test").items()
        }

    def planted_share(self, locale: str) -> float:
        """Share of the store's test queries that are planted."""
        return float(self._planted[locale].mean())

    def micro_recall(self, variant: str) -> dict[str, float | None]:
        """Per store the micro recall at precision 0.8 without them, at the thresholds of all of validation."""
        folders = self._layout.non_unified_model if variant == OWN else lambda _: self._layout.unified_model(variant)
        scorer = CheckpointScorer(folders, self._truth.types)
        thresholds = choose_thresholds([self._truth.scored("validation", scorer)], PRECISION, self._min_positives)
        planted = np.concatenate([self._planted[locale] for locale in self._truth.locales])
        rest = self._truth.scored("test", scorer).where(~planted)
        found = measure([rest], thresholds, PRECISION, min_support=1).measurements
        return {one.locale: one.value for one in found if one.metric == "micro_recall"}


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
                _small_table(findings, _recall),
                "Without the planted queries, which are as many in a small store as in a large one:",
                _small_table(findings, _recall_without_planted),
                f"Planted queries are {_planted_shares(findings)} of these stores' test queries.",
                "## All stores, the linear baselines beside",
                table(["variant", *(f"seed {f.seed}" for f in findings)], [_all(findings, name) for name in EVERY]),
                "## What it says",
                *_conclusions(findings),
            ]
        )
        + "\n"
    )


def _small_table(findings: Sequence[SeedFindings], recall: Recall) -> str:
    columns = [f"{variant}, seed {found.seed}" for found in findings for variant in (OWN, AGNOSTIC, AWARE)]
    rows: list[list[object]] = [
        [store, *(recall(found, variant, store) for found in findings for variant in (OWN, AGNOSTIC, AWARE))]
        for store in findings[0].small
    ]
    return table(["store", *columns], rows)


def _recall(found: SeedFindings, variant: str, store: str) -> float | None:
    return found.scores.value(variant, "micro_recall", store)


def _recall_without_planted(found: SeedFindings, variant: str, store: str) -> float | None:
    return found.unplanted[variant][store]


def _planted_shares(findings: Sequence[SeedFindings]) -> str:
    shares = [share for found in findings for share in found.planted_share.values()]
    return f"{min(shares):.0%} to {max(shares):.0%}"


def _all(findings: Sequence[SeedFindings], variant: str) -> list[object]:
    return [variant, *(found.scores.value(variant, "micro_recall", "all") for found in findings)]


def _conclusions(findings: Sequence[SeedFindings]) -> list[str]:
    ahead = sum(found.right[AWARE] > found.right[AGNOSTIC] for found in findings)
    lines = [
        bullet(f"unified_aware ahead of unified_agnostic on planted queries: in {ahead} of {len(findings)} seeds.")
    ]
    for variant in (AGNOSTIC, AWARE):
        lines.append(bullet(f"{variant} ahead of non_unified in {_small_stores_won(findings, variant, _recall)}"))
        without = _small_stores_won(findings, variant, _recall_without_planted)
        lines.append(bullet(f"Without the planted queries, {variant} ahead of non_unified in {without}"))
    return lines


def _small_stores_won(findings: Sequence[SeedFindings], variant: str, recall: Recall) -> str:
    pairs = [(found, store) for found in findings for store in found.small]
    lost = [(f, store) for f, store in pairs if (recall(f, variant, store) or 0.0) <= (recall(f, OWN, store) or 0.0)]
    names = ", ".join(f"{store} (seed {found.seed})" for found, store in lost)
    return f"{len(pairs) - len(lost)} of {len(pairs)} small stores and seeds" + (f"; not in {names}." if lost else ".")
