"""The history of a stage: every move in the message of its tag, so that it can only grow."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from q2pt_tasks.registry.tags import RegistryError

Kind = Literal["promotion", "rollback"]


@dataclass(frozen=True, kw_only=True)
class Move:
    """A promotion or a rollback.

    Attributes:
        number: which move of the stage it is, from 1 on.
        kind: what it is.
        version: the release that serves from then on.
        before: the one that served until then; None for the first.
        hash: of the release that serves from then on.
        when: ISO 8601, in UTC.
        by: the person or the run.
        why: their reason, or the gate's.
        figures: the headline figures of the release.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    number: int
    kind: Kind
    version: str
    before: str | None
    hash: str
    when: str
    by: str
    why: str
    figures: Mapping[str, float | None]

    @property
    def moment(self) -> datetime:
        return datetime.fromisoformat(self.when)

    def to_message(self) -> str:
        """The message of its tag: a sentence, then all of it as JSON."""
        sentence = f"{self.kind.capitalize()}: {self.version} serves, after {self.before or 'nothing'}"
        return f"{sentence}\n\n{json.dumps(_MOVE.dump_python(self, mode='json'), ensure_ascii=False)}\n"


_MOVE = TypeAdapter(Move)


def parse_move(tag: str, message: str) -> Move:
    """The move that the message of a stage's tag tells of.

    Raises:
        RegistryError: it tells of none, as of a tag that was set by hand.
    """
    try:
        return _MOVE.validate_json(message[message.find("{") :].strip())
    except ValidationError as error:
        raise RegistryError(
            f"the tag {tag} was not set by `q2pt promote` or `q2pt rollback` ({error.errors()[0]['msg']}): look who "
            "pushed it, and delete it where it is a mistake"
        ) from None


def served_before(moves: Sequence[Move]) -> str | None:
    """The version to go back to: the one that served before the one that serves now."""
    return moves[-1].before if moves else None


def rolled_back(moves: Sequence[Move], release_hash: str) -> Move | None:
    """The rollback that took a release with this hash out of production, where it is not back since."""
    hashes = {move.version: move.hash for move in moves}
    for move in reversed(moves):
        if move.hash == release_hash:
            return None
        if move.kind == "rollback" and move.before and hashes.get(move.before) == release_hash:
            return move
    return None


def to_lines(moves: Sequence[Move]) -> str:
    """The history for a terminal, the newest move first."""
    if not moves:
        return "Nothing has been promoted yet."
    return "\n\n".join(_lines(move) for move in reversed(moves))


def _lines(move: Move) -> str:
    figures = ", ".join(f"{name} {value:.3f}" for name, value in move.figures.items() if value is not None)
    head = f"{move.number}. {move.when}  {move.kind}  {move.before or 'nothing'} -> {move.version}  by {move.by}"
    return "\n".join([head, *(f"   {line}" for line in (move.why, figures) if line)])
