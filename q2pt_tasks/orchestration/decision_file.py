"""`reports/decision.json` of a run, as the tasks after join read it: from the store, by its hash in the run's lock."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import TypeAdapter

from q2pt_tasks.layout import Layout
from q2pt_tasks.orchestration.lock import Entry
from q2pt_tasks.orchestration.store import Out, SharedCache


class NoDecisionError(ValueError):
    """The run has no decision."""


@dataclass(frozen=True)
class JudgedChampion:
    """The model that the candidate was compared with."""

    version: str
    hash: str


@dataclass(frozen=True)
class Rule:
    """One rule of the gate; its figures are in its sentence. One that only warns does not refuse."""

    name: str
    passed: bool
    sentence: str
    severity: Literal["block", "warning"] = "block"


@dataclass(frozen=True)
class Decision:
    """What matters after the gate; the file holds more, see `q2pt_tasks/registry/decision.py`.

    Attributes:
        promote: the gate's verdict.
        candidate: the variant that was judged; None where no variant could be.
        sentence: the verdict and its reasons.
        rules: each with what it saw.
        champion: what the candidate was compared with; None where nothing was in production.
        kept_locales: the stores that stay on the checkpoint of the champion, for the candidate is worse there.
    """

    promote: bool
    candidate: str | None
    sentence: str
    rules: tuple[Rule, ...]
    champion: JudgedChampion | None
    kept_locales: tuple[str, ...] = ()


def outs_of(entries: Mapping[str, Entry]) -> dict[str, Out]:
    """Every output of a run by its path."""
    return {out["path"]: out for entry in entries.values() for out in entry.get("outs", [])}


def read_decision(entries: Mapping[str, Entry], store: SharedCache) -> Decision:
    """The decision of a run, by the entries of its lock.

    Raises:
        NoDecisionError: its gate has not run.
        MissingObjectError: the decision is not in the store.
        DamagedCacheError: it is there with another content.
    """
    decision = _read(Layout().decision.as_posix(), entries, store)
    return TypeAdapter(Decision).validate_json(decision)


def read_figures(entries: Mapping[str, Entry], store: SharedCache, variant: str) -> dict[str, float | None]:
    """The headline figures of a variant, by the entries of the run's lock.

    Raises:
        NoDecisionError: its evaluation has not run.
        MissingObjectError: the summary is not in the store.
        DamagedCacheError: it is there with another content.
    """
    summary = json.loads(_read(Layout().summary.as_posix(), entries, store))
    return TypeAdapter(dict[str, float | None]).validate_python(summary["headline"][variant])


def _read(path: str, entries: Mapping[str, Entry], store: SharedCache) -> bytes:
    outs = outs_of(entries)
    if path not in outs:
        raise NoDecisionError(f"the run has no output {path}: without it nothing says yes")
    md5 = outs[path]["md5"]
    store.fetch({path: md5})
    store.check(store.path(md5), md5)
    return store.path(md5).read_bytes()
