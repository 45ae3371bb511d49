"""`dvc.lock` as entries, one per stage, and whether they fit together.

Each stage of a run makes its own entry in a clone of its own. Joined, they are one reproducible run only where every
stage read exactly what another one made.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from q2pt_tasks.orchestration.graph import Graph, Node

SCHEMA = "2.0"

# What dvc.lock holds of one stage: cmd, deps, params and outs, plain values only.
Entry = dict[str, Any]
# The files of an output directory, relative to it, with their MD5; asked by the directory's own, which ends in .dir.
Manifest = Callable[[str], Iterable[tuple[str, str]]]


class LockError(ValueError):
    """A file is not a `dvc.lock` that can be read."""


class LockMismatchError(ValueError):
    """The entries are not of one run."""


@dataclass(frozen=True)
class _Output:
    """What a stage made, as its entry says."""

    producer: str
    path: str
    md5: str

    def touches(self, path: str) -> bool:
        """Whether the output lies at `path`, around it or below it."""
        return self.path == path or path.startswith(f"{self.path}/") or self.path.startswith(f"{path}/")


def read_lock(path: Path) -> dict[str, Entry]:
    """The entries of `dvc.lock` by address; none where there is no file.

    Raises:
        LockError: the file is something else.
    """
    if not path.exists():
        return {}
    try:
        # YAML 1.2 as DVC writes it: a plain `on` is text.
        document = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (YAMLError, ValueError, RecursionError) as error:
        raise LockError(f"{path} is not readable YAML: {error}") from None
    found = document.get("schema") if isinstance(document, dict) else type(document).__name__
    if found != SCHEMA or not isinstance(document.get("stages", {}), dict):
        raise LockError(f"{path}: expected a dvc.lock of schema {SCHEMA}, found {found!r}: let DVC write it")
    return dict(document.get("stages", {}))


def write_lock(path: Path, entries: Mapping[str, Entry]) -> None:
    """Writes `entries` as a `dvc.lock`, in the order of their addresses."""
    yaml = YAML()
    yaml.default_flow_style = False
    with path.open("w", encoding="utf-8") as file:
        yaml.dump({"schema": SCHEMA, "stages": dict(sorted(entries.items()))}, file)


def check_consistent(graph: Graph, entries: Mapping[str, Entry], manifest: Manifest) -> None:
    """Checks that `entries` are those of `graph`, and that each was made from what the others made.

    Dependencies that no stage makes, code and committed files, are not looked at. A folder that is a dependency and
    holds outputs must hold nothing else.

    Raises:
        LockMismatchError: with everything that does not fit, both sides of each.
    """
    problems = list(_address_problems(graph, entries))
    outputs = [
        _Output(address, item["path"], _md5(address, item))
        for address, entry in entries.items()
        for item in entry.get("outs", [])
    ]
    for node in graph.nodes:
        if node.address in entries:
            problems += _output_problems(node, outputs)
            problems += _dependency_problems(node, entries[node.address], outputs, manifest)
    if problems:
        raise LockMismatchError("The entries of dvc.lock are not of one run:\n" + "\n".join(problems))


def _address_problems(graph: Graph, entries: Mapping[str, Entry]) -> Iterator[str]:
    if missing := [address for address in graph.addresses if address not in entries]:
        yield f"no entry of {', '.join(missing)}: the graph has it"
    if strangers := sorted(set(entries) - set(graph.addresses)):
        yield f"an entry of {', '.join(strangers)}: the graph has it not"


def _output_problems(node: Node, outputs: list[_Output]) -> Iterator[str]:
    made = tuple(sorted(output.path for output in outputs if output.producer == node.address))
    if made != tuple(sorted(node.outs)):
        yield f"{node.address} made {', '.join(made) or 'nothing'}; in the graph it makes {', '.join(node.outs)}"


def _dependency_problems(node: Node, entry: Entry, outputs: list[_Output], manifest: Manifest) -> Iterator[str]:
    producers: set[str] = set()
    for item in entry.get("deps", []):
        read, path = _md5(node.address, item), item["path"]
        touching = [output for output in outputs if output.touches(path)]
        producers |= {output.producer for output in touching}
        made = _md5_at(path, touching, manifest)
        if touching and read != made:
            names = ", ".join(output.producer for output in touching)
            yield f"{node.address} read {path} as {read}; {names} made {made or 'nothing there'}"
    if producers != set(node.upstream):
        found, expected = (", ".join(sorted(names)) or "none" for names in (producers, node.upstream))
        yield f"{node.address} read outputs of {found}; in the graph it reads those of {expected}"


def _md5_at(path: str, outputs: list[_Output], manifest: Manifest) -> str | None:
    """The hash of what `outputs` put at `path`; None for nothing."""
    for output in outputs:
        if output.path == path:
            return output.md5
    files = {file: md5 for output in outputs for file, md5 in _files(output, manifest)}
    if path in files:
        return files[path]
    below = {file.removeprefix(f"{path}/"): md5 for file, md5 in files.items() if file.startswith(f"{path}/")}
    return directory_md5(below) if below else None


def _files(output: _Output, manifest: Manifest) -> Iterator[tuple[str, str]]:
    if output.md5.endswith(".dir"):
        yield from ((f"{output.path}/{file}", md5) for file, md5 in manifest(output.md5))
    else:
        yield output.path, output.md5


def directory_md5(files: Mapping[str, str]) -> str:
    """The hash that DVC gives a directory with these files, hashes by path from that directory on."""
    # Not needed to read and write a lock, and slow to import.
    from dvc_data.hashfile.tree import Tree

    tree = Tree.from_list([{"relpath": file, "md5": md5} for file, md5 in files.items()])
    tree.digest()
    return str(tree.oid)


def _md5(address: str, item: Mapping[str, Any]) -> str:
    if "md5" not in item:
        raise LockMismatchError(f"{address}: {item['path']} has no md5, only {', '.join(sorted(item))}")
    return str(item["md5"])
