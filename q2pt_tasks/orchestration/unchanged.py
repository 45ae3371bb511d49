"""Whether a stage would make again what it made last time, judged by hashes alone."""

from collections.abc import Iterable
from typing import Any

from q2pt_tasks.orchestration.inputs import Input
from q2pt_tasks.orchestration.lock import Entry


def is_unchanged(stage: Any, inputs: Iterable[Input], last: Entry) -> bool:  # noqa: ANN401 - one of DVC's stages
    """Whether `stage` has the command, params, dependencies and outputs that its entry `last` was made with."""
    return not stage.always_changed and is_made_from(stage, inputs, last)


def is_made_from(stage: Any, inputs: Iterable[Input], last: Entry) -> bool:  # noqa: ANN401
    """Whether the entry `last` was made with the command, params, dependencies and outputs that `stage` has."""
    return bool(
        last["cmd"] == stage.cmd
        and last.get("params", {}) == {params.def_path: params.get_hash().value for params in stage.params}
        and recorded_inputs(last) == {item.path: item.md5 for item in inputs}
        and {out["path"] for out in last.get("outs", [])} == {out.def_path for out in stage.outs}
    )


def recorded_inputs(entry: Entry) -> dict[str, str]:
    """The dependencies of a lock entry, hashes by path."""
    return {dep["path"]: dep["md5"] for dep in entry.get("deps", [])}
