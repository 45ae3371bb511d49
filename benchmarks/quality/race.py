"""Has every peer score validation and test, in an environment of its own."""

import hashlib
import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.quality.tasks import PEERS, SCOPES, Answer, Task, read_answer
from q2pt_tasks.layout import SPLITS, Layout

# What decides a peer's scores beside the splits and the module of its own name.
_CODE = ("models", "peers", "tfidf")


@dataclass(frozen=True)
class Race:
    """Where the pipeline has run, the Python of the peers' environment, and a folder for the scores."""

    run: Layout
    python: Path
    scores: Path

    def folder(self, peer: str) -> Path:
        """Of the scores of a peer, by the name of its task."""
        return self.scores / peer

    def score_peers(self, locales: Sequence[str]) -> list[Answer]:
        """Tunes the peers that have not answered yet."""
        return [self._answer(self._task(peer, scope, locales)) for peer in PEERS for scope in SCOPES]

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
