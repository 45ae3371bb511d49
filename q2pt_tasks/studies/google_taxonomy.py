"""Real text: does sharing lift small stores on Google's product taxonomy, 17 locales?"""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from ruamel.yaml import YAML

from q2pt_tasks.data.schema import Locales
from q2pt_tasks.layout import Layout
from q2pt_tasks.params import read_section
from q2pt_tasks.report.evidence import Difference
from q2pt_tasks.report.plots import recall_bars
from q2pt_tasks.report.tables import Summary
from q2pt_tasks.studies.google_taxonomy_page import PLOTTED, Findings, Trained, page
from q2pt_tasks.studies.study import Options
from q2pt_tasks.studies.taxonomy import own_files
from q2pt_tasks.studies.workspace import Workspace, prepare_workspace

NAME = "google_taxonomy"
PAGE = Path("docs/results/google-taxonomy.md")
PLOT = PAGE.with_suffix(".svg")
CHANGES = Path(__file__).with_suffix(".yaml")
SEEDS = (1, 2, 3)

log = logging.getLogger(__name__)


def study(root: Path, options: Options) -> Path:
    """Runs the pipeline once per seed, each in a copy of the project of its own, and writes the page of results.

    The seed changes the trainings alone: what they learn from, and what is asked, is the same, and DVC's cache gives it
    to every copy. A study that was stopped goes on with the training that it was in.

    Raises:
        StudyError: a stage failed.
    """
    seeds = options.seeds or SEEDS
    runs = {seed: prepare(root, options, seed) for seed in seeds}
    for seed, workspace in runs.items():
        log.info("%s: seed %d of %s", NAME, seed, ", ".join(map(str, seeds)))
        run_seed(workspace)
    return write_page(root, {seed: workspace.layout for seed, workspace in runs.items()}, options)


def prepare(root: Path, options: Options, seed: int) -> Workspace:
    """The copy of the project in which one seed's trainings run."""
    return prepare_workspace(root, f"{NAME}/{seed}", {**read_changes(), **own_files(options), "seed": seed})


def run_seed(workspace: Workspace) -> None:
    """Everything up to the evaluation."""
    train_unified(workspace)
    train_non_unified(workspace)
    workspace.reproduce(["evaluate"])


def train_unified(workspace: Workspace) -> None:
    """Resolves the source, and trains the unified variants one after the other."""
    workspace.run_pipeline(["train_unified"])


def train_non_unified(workspace: Workspace) -> None:
    """The small trainings, a model of each locale, side by side; what they need must have been made."""
    locales = read_section(workspace.layout.params, "locales", Locales)
    workspace.reproduce_side_by_side([f"train_non_unified@{locale}" for locale in locales])


def read_changes() -> dict[str, Any]:
    """What the study changes in params.yaml."""
    return dict(YAML(typ="safe").load(CHANGES.read_text(encoding="utf-8")))


def write_page(root: Path, runs: Mapping[int, Layout], options: Options) -> Path:
    """Writes the page and its plot from runs that have ended."""
    changes = read_changes()
    findings = read_findings(list(runs.values()), changes["split.keep_share"])
    locales = [locale for group in findings.groups.values() for locale in group]
    svg = recall_bars(findings.means, PLOTTED, locales, findings.precision)
    target = root / PAGE
    target.parent.mkdir(parents=True, exist_ok=True)
    (root / PLOT).write_text(str(svg), encoding="utf-8")
    target.write_text(page(findings, command("taxonomy", options, list(runs)), changes, PLOT.name), encoding="utf-8")
    return target


def read_findings(runs: Sequence[Layout], keep_share: Mapping[str, float]) -> Findings:
    rows = {row["locale"]: row["training_rows"] for row in json.loads(runs[0].locales.read_text(encoding="utf-8"))}
    return Findings([_trained(layout) for layout in runs], rows, groups_by_share(rows, keep_share))


def _trained(layout: Layout) -> Trained:
    summary = TypeAdapter(Summary).validate_json(layout.summary.read_text(encoding="utf-8"))
    found = TypeAdapter(tuple[Difference, ...]).validate_json(layout.differences.read_text(encoding="utf-8"))
    return Trained(summary, found)


def groups_by_share(training_rows: Mapping[str, int], keep_share: Mapping[str, float]) -> dict[str, tuple[str, ...]]:
    """Locales by the share of their training rows that they keep, the largest share first."""
    shares = sorted({keep_share.get(locale, 1.0) for locale in training_rows}, reverse=True)
    return {
        f"{share:.0%} kept": tuple(sorted(name for name in training_rows if keep_share.get(name, 1.0) == share))
        for share in shares
    }


def command(target: str, options: Options, seeds: Sequence[int]) -> str:
    """The call of make as a reader would type it, without this machine's paths."""
    encoder = f" ENCODER=path/to/{Path(options.encoder).name}" if options.encoder else ""
    return f'make {target} TAXONOMY=path/to/google-product-taxonomy{encoder} SEEDS="{" ".join(map(str, seeds))}"'
