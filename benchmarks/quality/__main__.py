"""Our models beside TF-IDF with a linear model, fastText and PECOS XR-Linear: `make bench-quality`.

Writes `docs/results/peers.md`. The pipeline and every peer are run where they have not run yet.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.quality.figures import Differences, Judged, judge
from benchmarks.quality.fusion import Contestant, Fusion, fuse
from benchmarks.quality.kept import KeptScores, read_truth
from benchmarks.quality.page import OURS, PROBABILISTIC, Findings, fused_name, page
from benchmarks.quality.race import Race
from q2pt_tasks.data.schema import Locales
from q2pt_tasks.metrics.intervals import Sample
from q2pt_tasks.model.truth import Truth
from q2pt_tasks.model.variants import NON_UNIFIED, UNIFIED_VARIANTS
from q2pt_tasks.params import read_section
from q2pt_tasks.stages.evaluate import EvaluateParams
from q2pt_tasks.studies.google_taxonomy import groups_by_share, prepare, read_changes
from q2pt_tasks.studies.machine import describe_machine

PYTHON = Path("build/quality-venv/bin/python")
SCORES = Path("build/quality")
PAGE = Path("docs/results/peers.md")


def main() -> int:
    options = _options()
    workspace = prepare(Path(), options.taxonomy, options.encoder)
    workspace.run_pipeline(["tokenize", *_trainings(options.ours)])
    locales = read_section(workspace.layout.params, "locales", Locales)
    truth = read_truth(workspace.layout, locales)
    race = Race(workspace.layout, options.peers, SCORES)
    answers = race.score_peers(locales)
    race.score_ours(truth, options.ours)
    contestants = {
        name: _read(race.folder(name), truth) for name in (*options.ours, *(answer.task.name for answer in answers))
    }
    fusions = _fuse(contestants, [name for name in options.ours if name in UNIFIED_VARIANTS])
    params = read_section(workspace.layout.params, "evaluate", EvaluateParams)
    entered = {**contestants, **{name: fusion.scored for name, fusion in fusions.items()}}
    judged = {name: judge(name, one.validation, one.test, params) for name, one in entered.items()}
    groups = groups_by_share(
        {locale: truth.training_rows(locale) for locale in locales}, read_changes()["split.keep_share"]
    )
    findings = Findings(
        judged=judged,
        answers=answers,
        ours=options.ours,
        weights={name: fusion.weight for name, fusion in fusions.items()},
        groups=groups,
        differences=_differences(judged, truth),
        truth=truth,
        machine=describe_machine(),
    )
    PAGE.write_text(page(findings), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
    return 0


def _trainings(variants: Sequence[str]) -> list[str]:
    """The pipeline's stages that train them."""
    return ["train_non_unified" if name == NON_UNIFIED else f"train_unified@{name}" for name in variants]


def _read(folder: Path, truth: Truth) -> Contestant:
    return Contestant(*(truth.scored(split, KeptScores(folder, split)) for split in ("validation", "test")))


def _fuse(contestants: Mapping[str, Contestant], ours: Sequence[str]) -> dict[str, Fusion]:
    """By name: each of `ours` beside each n-gram model that gives probabilities."""
    return {
        fused_name(name, other): fuse(contestants[name], contestants[other]) for name in ours for other in PROBABILISTIC
    }


def _differences(judged: dict[str, Judged], truth: Truth) -> Differences:
    rows = truth.labeled("test")
    part = np.repeat(np.arange(len(truth.locales)), [len(rows[locale].queries) for locale in truth.locales])
    meant = np.array([len(own) for locale in truth.locales for own in rows[locale].product_types], dtype=np.float64)
    sample = Sample.of(truth.queries("test"), part, len(truth.locales))
    return Differences({name: one.found for name, one in judged.items()}, meant, sample, truth.locales)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument("--taxonomy", help="folder of Google's product taxonomy; downloaded where it is not given")
    parser.add_argument("--encoder", required=True, help="name or folder of a pre-trained encoder")
    parser.add_argument("--peers", type=Path, default=PYTHON, help="Python of the peers' environment")
    parser.add_argument("--ours", nargs="+", choices=OURS, default=list(OURS), help="which variants to compare")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
