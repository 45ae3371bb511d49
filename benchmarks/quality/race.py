"""Has every contestant score validation and test: the peers in their environment, our models in this one."""

import hashlib
import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.quality.kept import write_scores
from benchmarks.quality.tasks import PEERS, SCOPES, Answer, Task, read_answer
from q2pt_tasks.layout import SPLITS, Layout
from q2pt_tasks.model.scorers import CheckpointScorer
from q2pt_tasks.model.truth import Truth
from q2pt_tasks.model.variants import NON_UNIFIED

# What decides a peer's scores beside the splits and the module of its own name.
_CODE = ("models", "peers", "tfidf")


@dataclass(frozen=True)
class Race:
    """Where the pipeline has run, the Python of the peers' environment, and a folder for the scores."""

    run: Layout
    python: Path
    scores: Path

    def folder(self, contestant: str) -> Path:
        return self.scores / contestant

    def score_peers(self, locales: Sequence[str]) -> list[Answer]:
        """Tunes the peers that have not answered yet."""
        return [self._answer(self._task(peer, scope, locales)) for peer in PEERS for scope in SCOPES]

    def score_ours(self, truth: Truth, variants: Sequence[str]) -> None:
        for variant in variants:
            write_scores(self.folder(variant), truth, self._scorer(variant, truth))

    def _scorer(self, variant: str, truth: Truth) -> CheckpointScorer:
        if variant == NON_UNIFIED:
            return CheckpointScorer(self.run.non_unified_model, truth.types)
        return CheckpointScorer(lambda _: self.run.unified_model(variant), truth.types)

    def _answer(self, task: Task) -> Answer:
        folder = self.folder(task.name)
        kept = read_answer(folder)
        if kept is None or kept.task != task:
            folder.mkdir(parents=True, exist_ok=True)
            command = [str(self.python), "-m", "benchmarks.quality.peers", json.dumps(asdict(task)), str(folder)]
            subprocess.run(command, env={**os.environ, "PYTHONPATH": "."}, check=True)
            kept = read_answer(folder)
        if kept is None:
            raise FileNotFoundError(f"{task.name} ended without an answer in {folder}")
        return kept

    def _task(self, peer: str, scope: str, locales: Sequence[str]) -> Task:
        return Task(peer, scope, str(self.run.root.resolve()), tuple(locales), self._key(peer, locales))

    def _key(self, peer: str, locales: Sequence[str]) -> str:
        splits = [self.run.split(locale, split) for locale in locales for split in SPLITS]
        code = [Path(__file__).with_name(f"{module}.py") for module in (*_CODE, peer)]
        return hashlib.sha256(
            b"".join(hashlib.sha256(file.read_bytes()).digest() for file in (*splits, *code))
        ).hexdigest()
