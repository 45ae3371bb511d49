"""What a peer is asked and what it answers; of the standard library alone, for both environments read it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

PEERS = ("tfidf_linear", "fasttext", "xr_linear")
SCOPES = PER_LOCALE, UNIFIED = ("per_locale", "unified")


@dataclass(frozen=True)
class Task:
    """A peer to tune on validation and to score with.

    Attributes:
        peer: one of `PEERS`.
        scope: one of `SCOPES`.
        run: folder in which the pipeline has run.
        key: of the splits and of the peers' own code; with another key an answer is not kept.
    """

    peer: str
    scope: str
    run: str
    locales: tuple[str, ...]
    key: str

    @property
    def name(self) -> str:
        return f"{self.peer}_{self.scope}"


@dataclass(frozen=True)
class Tried:
    """A setting, how good it is on validation over all locales, and the seconds of its training."""

    setting: Mapping[str, Any]
    recall: float
    average_precision: float
    seconds: float


@dataclass(frozen=True)
class Answer:
    """All settings that were tried, in their order, and the index of the one that scored."""

    task: Task
    tried: tuple[Tried, ...]
    chosen: int

    @property
    def best(self) -> Tried:
        return self.tried[self.chosen]


def write_answer(folder: Path, answer: Answer) -> None:
    (folder / "answer.json").write_text(json.dumps(asdict(answer), indent=1) + "\n", encoding="utf-8")


def read_answer(folder: Path) -> Answer | None:
    """None where a peer has not answered yet."""
    file = folder / "answer.json"
    if not file.is_file():
        return None
    stored = json.loads(file.read_text(encoding="utf-8"))
    return Answer(task_of(stored["task"]), tuple(Tried(**tried) for tried in stored["tried"]), stored["chosen"])


def task_of(stored: Mapping[str, Any]) -> Task:
    return Task(**{**stored, "locales": tuple(stored["locales"])})
