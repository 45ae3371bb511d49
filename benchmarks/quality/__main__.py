"""Our models beside TF-IDF with a linear model, fastText and PECOS XR-Linear: `make bench-quality`.

Writes `docs/results/peers.md`. Our models are those of the study of Google's product taxonomy, once per seed, and are
trained where the study has not trained them. Every peer is run where it has not run yet.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.quality.figures import Differences, Judged, judge, mean_of
from benchmarks.quality.findings import Findings
from benchmarks.quality.kept import KeptScores
from benchmarks.quality.ours import OURS, Judge, weights_of
from benchmarks.quality.page import page
from benchmarks.quality.race import Race
from q2pt_tasks.data.schema import Locales
from q2pt_tasks.layout import Layout
from q2pt_tasks.metrics.intervals import Sample
from q2pt_tasks.model.truth import Truth, read_truth
from q2pt_tasks.model.variants import NON_UNIFIED, UNIFIED_VARIANTS
from q2pt_tasks.params import read_section
from q2pt_tasks.stages.evaluate import EvaluateParams
from q2pt_tasks.studies import google_taxonomy
from q2pt_tasks.studies.google_taxonomy import command, groups_by_share, read_changes
from q2pt_tasks.studies.machine import describe_machine
from q2pt_tasks.studies.study import Options

PYTHON = Path("build/quality-venv/bin/python")
SCORES = Path("build/quality")
PAGE = Path("docs/results/peers.md")


def main() -> int:
    said = _options()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    options = Options(taxonomy=said.taxonomy, encoder=said.encoder, seeds=tuple(said.seeds))
    variants = UNIFIED_VARIANTS if said.unified_only else OURS
    layouts = [_trained(options, seed, variants) for seed in options.seeds]
    locales = read_section(layouts[0].params, "locales", Locales)
    params = read_section(layouts[0].params, "evaluate", EvaluateParams)
    truth = read_truth(layouts[0], locales)
    race = Race(layouts[0], said.peers, SCORES)
    answers = race.score_peers(locales)
    peers = {answer.task.name: _judged_peer(answer.task.name, race, truth, params) for answer in answers}
    trainings = Judge(truth, params, variants).trainings(layouts)
    judged = {**{name: mean_of(own) for name, own in trainings.items()}, **peers}
    rows = {locale: truth.training_rows(locale) for locale in locales}
    findings = Findings(
        judged=judged,
        trainings=trainings,
        command=command("bench-quality", options, options.seeds)
        + (" BENCH=--unified-only" if said.unified_only else ""),
        weights=weights_of(layouts, locales, variants),
        answers=answers,
        groups=groups_by_share(rows, read_changes()["split.keep_share"]),
        differences=_differences(judged, truth),
        truth=truth,
        machine=describe_machine(),
    )
    PAGE.write_text(page(findings), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
    return 0


def _trained(options: Options, seed: int, variants: Sequence[str]) -> Layout:
    """Where one seed's models are; DVC gives those back that it has."""
    workspace = google_taxonomy.prepare(Path(), options, seed)
    google_taxonomy.train_unified(workspace)
    if NON_UNIFIED in variants:
        google_taxonomy.train_non_unified(workspace)
    return workspace.layout


def _judged_peer(name: str, race: Race, truth: Truth, params: EvaluateParams) -> Judged:
    validation, test = (truth.scored(split, KeptScores(race.folder(name), split)) for split in ("validation", "test"))
    return judge(name, validation, test, params)


def _differences(judged: dict[str, Judged], truth: Truth) -> Differences:
    rows = truth.labeled("test")
    part = np.repeat(np.arange(len(truth.locales)), [len(rows[locale].queries) for locale in truth.locales])
    meant = np.array([len(own) for locale in truth.locales for own in rows[locale].product_types], dtype=np.float64)
    sample = Sample.of(truth.queries("test"), part, len(truth.locales))
    return Differences({name: one.found for name, one in judged.items()}, meant, sample, truth.locales)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument("--peers", type=Path, default=PYTHON, help="Python of the peers' environment")
    parser.add_argument("--taxonomy", type=Path, help="directory with Google's files; downloaded where not given")
    # Without it the study's models would be trained anew with the encoder of params.yaml.
    parser.add_argument("--encoder", required=True, help="name or directory of the encoder of `make taxonomy`")
    parser.add_argument("--seeds", type=int, nargs="+", default=google_taxonomy.SEEDS, help="of our trainings")
    parser.add_argument(
        "--unified-only", action="store_true", help="without per-locale models, whose trainings take longest"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
