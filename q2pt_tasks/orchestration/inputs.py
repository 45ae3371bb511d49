"""What a stage depends on, computed without data: from its commit and the lock entries of the stages before it.

DVC's own comparison needs the data, or is blind to a dependency that lies inside an output or above several.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dvc.dependency import ParamsDependency

from q2pt_tasks.orchestration.lock import Entry, directory_md5
from q2pt_tasks.orchestration.store import Out, SharedCache


class MissingInputError(ValueError):
    """A stage depends on what neither its commit nor a stage before it has."""


@dataclass(frozen=True)
class Input:
    """A dependency of a stage.

    Attributes:
        path: from the repository's root.
        md5: the hash that it has when the stage runs.
        made: those of its files that stages before this one make, hashes by path.
        targets: what DVC has to check out for them: the path itself, or the outputs below it.
    """

    path: str
    md5: str
    made: Mapping[str, str]
    targets: tuple[str, ...]


def inputs_of(stage: Any, upstream: Mapping[str, Entry], store: SharedCache) -> tuple[Input, ...]:  # noqa: ANN401
    """The dependencies of `stage`, one of DVC's, in a clone without data; `upstream` has the entries before it.

    Raises:
        MissingInputError: a dependency is nowhere.
        MissingObjectError: the manifest of a directory is not in the store.
        DamagedCacheError: it is damaged.
    """
    outs = [out for entry in upstream.values() for out in entry.get("outs", [])]
    return tuple(_input(dep, outs, store) for dep in stage.deps if not isinstance(dep, ParamsDependency))


def _input(dep: Any, outs: Iterable[Out], store: SharedCache) -> Input:  # noqa: ANN401
    path = dep.def_path
    around = [out for out in outs if _lies_in(path, out["path"])]
    below = [out for out in outs if _lies_in(out["path"], path) and out not in around]
    made = {name: md5 for out in around + below for name, md5 in store.files(out).items() if _lies_in(name, path)}
    targets = (path,) if around else tuple(out["path"] for out in below)
    for out in around:
        if out["path"] == path:
            return Input(path, out["md5"], made, targets)
    if not made and not dep.exists:
        raise MissingInputError(
            f"{dep.stage.addressing} depends on {path}, which is neither in its commit nor among what the stages "
            "before it made"
        )
    return Input(path, made.get(path) or _hash_of(dep, made), made, targets)


def _hash_of(dep: Any, made: Mapping[str, str]) -> str:  # noqa: ANN401
    """The hash of what the commit has at the dependency's path, together with the files that stages make there."""
    files = {name.removeprefix(f"{dep.def_path}/"): md5 for name, md5 in made.items()}
    if dep.exists:
        dep.save()
        if not made:
            return str(dep.hash_info.value)
        files |= {"/".join(key): md5.value for key, _, md5 in dep.obj}
    return directory_md5(files)


def _lies_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")
