"""`champion.json` as runs write it: which model is in production, and where DVC has its files.

The stage `evaluate` reads the same file out of the run's commit, with `q2pt_tasks.model.champion`.
"""

import json
from dataclasses import dataclass, field

from pydantic import ConfigDict, TypeAdapter, ValidationError

CHAMPION_FILE = "champion.json"


class ChampionFileError(ValueError):
    """A `champion.json` does not name a champion."""


@dataclass(frozen=True)
class NamedChampion:
    """The model in production.

    Attributes:
        version: such as `v3`.
        hash: over the names and contents of its files.
        path: where a clone has its files, once they are fetched.
        outs: DVC's hash of each directory of it, by the place below `path`.
        locales: those that it serves.
        commit: the joined commit of the run that made it; empty for one that a person put there.
        last_day: the last day of the run's window; None where that is not known.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    version: str
    hash: str
    path: str
    outs: dict[str, str] = field(default_factory=dict)
    locales: tuple[str, ...] = ()
    commit: str = ""
    last_day: str | None = None

    def to_text(self) -> str:
        return json.dumps(_CHAMPION.dump_python(self, mode="json"), indent=2, ensure_ascii=False) + "\n"


_CHAMPION = TypeAdapter(NamedChampion)


def parse_champion(text: str) -> NamedChampion | None:
    """The champion that the text of a `champion.json` names; None before the first.

    Raises:
        ChampionFileError: the text is something else.
    """
    try:
        return None if json.loads(text) == {"version": None} else _CHAMPION.validate_json(text)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, found['loc']))}: {found['msg']}" for found in error.errors())
        raise ChampionFileError(f"{CHAMPION_FILE} names no champion ({problems}): correct it and commit it") from None
    except ValueError as error:
        raise ChampionFileError(f"{CHAMPION_FILE} is not readable JSON: {error}") from None
