"""The graph of `dvc.yaml` as plain values: DVC computes it, a file keeps it.

Airflow reads the DAG file again for every task, and DVC takes a second to load a graph. So the graph is kept by the
content that it follows from, and reading it back imports neither DVC nor anything else that is heavy.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

# Goes into the name of a kept graph: count up when the classes below or the way to compute them change.
SCHEMA_VERSION = 1
# A graph follows from these two files alone.
PIPELINE, PARAMS = "dvc.yaml", "params.yaml"


class GraphError(ValueError):
    """`dvc.yaml` has no graph that can be run, or an address is not in it."""


@dataclass(frozen=True)
class Hints:
    """What only Airflow needs to know of a stage: `meta.airflow` in `dvc.yaml`. The defaults are Airflow's own."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    pool: str = "default_pool"
    queue: str = "default"
    retries: int = 0


@dataclass(frozen=True)
class Node:
    """A stage, or one item of a matrix stage.

    Attributes:
        address: as DVC addresses it, such as `train_unified@unified_aware`.
        stage: its name in `dvc.yaml`.
        item: the key of the matrix, None where the stage has none.
        upstream: addresses of the nodes whose outputs it reads, in topological order.
        outs: paths of its outputs from the repository's root.
        description: what the stage does.
        hints: how Airflow runs it.
    """

    address: str
    stage: str
    item: str | None
    upstream: tuple[str, ...]
    outs: tuple[str, ...]
    description: str
    hints: Hints


@dataclass(frozen=True)
class Graph:
    """All nodes, each after the ones that it depends on."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    nodes: tuple[Node, ...]

    @cached_property
    def _by_address(self) -> dict[str, Node]:
        return {node.address: node for node in self.nodes}

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(self._by_address)

    @property
    def stages(self) -> dict[str, tuple[Node, ...]]:
        """The nodes of each stage: one, or all items of its matrix."""
        names = dict.fromkeys(node.stage for node in self.nodes)
        return {name: tuple(node for node in self.nodes if node.stage == name) for name in names}

    @property
    def upstream(self) -> dict[str, tuple[str, ...]]:
        """What each address directly depends on."""
        return {node.address: node.upstream for node in self.nodes}

    @property
    def roots(self) -> tuple[str, ...]:
        """The addresses that depend on no other."""
        return tuple(node.address for node in self.nodes if not node.upstream)

    @property
    def leaves(self) -> tuple[str, ...]:
        """The addresses that no other depends on."""
        inner = {address for node in self.nodes for address in node.upstream}
        return tuple(address for address in self.addresses if address not in inner)

    def edges(self) -> Iterator[tuple[str, str]]:
        """What comes before what: two stages by their names where all nodes of both are meant, else two addresses."""
        stages = self.stages
        between: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for node in self.nodes:
            for above in node.upstream:
                between.setdefault((self.node(above).stage, node.stage), []).append((above, node.address))
        for (above, below), single in between.items():
            whole = len(single) == len(stages[above]) * len(stages[below])
            yield from [(above, below)] if whole else single

    def node(self, address: str) -> Node:
        """The node of `address`.

        Raises:
            GraphError: there is none.
        """
        if address not in self._by_address:
            raise GraphError(f"there is no {address!r} in the graph; it has {', '.join(self._by_address)}")
        return self._by_address[address]

    def ancestors(self, address: str) -> tuple[str, ...]:
        """Every node that `address` depends on, also through others, in topological order.

        Raises:
            GraphError: there is no such address.
        """
        found: set[str] = set()
        waiting = list(self.node(address).upstream)
        while waiting:
            current = waiting.pop()
            if current not in found:
                found.add(current)
                waiting += self.node(current).upstream
        return tuple(node.address for node in self.nodes if node.address in found)

    def part(self, addresses: Iterable[str]) -> "Graph":
        """The nodes of `addresses` alone; what they depend on stays named, in or out.

        Raises:
            GraphError: an address is not in the graph.
        """
        kept = {self.node(address).address for address in addresses}
        return Graph(tuple(node for node in self.nodes if node.address in kept))

    def to_json(self) -> str:
        return _GRAPH.dump_json(self).decode()

    @staticmethod
    def from_json(text: str) -> "Graph":
        """The graph that `to_json` wrote.

        Raises:
            GraphError: the text is something else.
        """
        try:
            return _GRAPH.validate_json(text)
        except ValidationError as error:
            raise GraphError(f"this is no graph: {error}") from None


_GRAPH = TypeAdapter(Graph)
_HINTS = TypeAdapter(Hints)


def task_id(address: str) -> str:
    """The id of a stage's task: of the items of a matrix, which are a group, Airflow puts the group's name first."""
    return address.replace("@", ".", 1)


def read_graph(root: Path, cache_folder: Path) -> Graph:
    """The graph of the repository at `root`, computed where `cache_folder` does not have it.

    Raises:
        GraphError: `dvc.yaml` or `params.yaml` is missing or wrong.
    """
    # Read once: the checkout may change meanwhile, and a graph must not be kept under another one's name.
    contents = _read_contents(root)
    kept = cache_folder / f"{_key(contents)}.json"
    try:
        return Graph.from_json(kept.read_text(encoding="utf-8"))
    except (FileNotFoundError, UnicodeDecodeError, GraphError):
        # Not there yet, or cut short by a full disk.
        graph = _compute(contents)
    _replace(kept, graph.to_json())
    return graph


def compute_graph(root: Path) -> Graph:
    """The graph that DVC sees in the repository at `root`; it writes nothing there.

    Raises:
        GraphError: `dvc.yaml` or `params.yaml` is missing or wrong.
    """
    return _compute(_read_contents(root))


def _compute(contents: Mapping[str, bytes]) -> Graph:
    # Seconds of imports, which a kept graph spares.
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.repo.index import Index

    # A folder with nothing else: DVC can read no other file, and leaves nothing in the checkout. It is a project of its
    # own, for the temporary directory may lie in a checkout whose git ignores it.
    with tempfile.TemporaryDirectory(prefix="q2pt-graph-") as folder:
        (Path(folder) / Repo.DVC_DIR).mkdir()
        for name, content in contents.items():
            (Path(folder) / name).write_bytes(content)
        try:
            with Repo(folder, config={"core": {"no_scm": True, "site_cache_dir": f"{folder}/site-cache"}}) as repo:
                stages = Index.from_file(repo, str(Path(folder) / PIPELINE)).graph
        except DvcException as error:
            raise GraphError(f"DVC cannot load the graph of {PIPELINE}: {error}") from error
    # Stages come in the order of the file, so that the DAG shows them in it.
    upstream = {stage.name: [above.name for above in stages.successors(stage)] for stage in stages}
    order = list(TopologicalSorter(upstream).static_order())
    nodes = {stage.name: _node(stage, sorted(upstream[stage.name], key=order.index)) for stage in stages}
    return Graph(tuple(nodes[name] for name in order))


def _node(stage: Any, upstream: list[str]) -> Node:  # noqa: ANN401 - a stage of DVC, which has no types
    name, _, item = stage.name.partition("@")
    try:
        hints = _HINTS.validate_json(json.dumps((stage.meta or {}).get("airflow", {})))
    except ValidationError as error:
        raise GraphError(f"{PIPELINE}: stage {name}: meta.airflow: {error}") from None
    outs = tuple(sorted(out.def_path for out in stage.outs))
    return Node(stage.name, name, item or None, tuple(upstream), outs, stage.desc or "", hints)


def _key(contents: Mapping[str, bytes]) -> str:
    """Names the graph by all that it follows from."""
    parts = [str(SCHEMA_VERSION).encode(), *contents.values()]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:32]


def _read_contents(root: Path) -> dict[str, bytes]:
    try:
        return {name: (root / name).read_bytes() for name in (PIPELINE, PARAMS)}
    except FileNotFoundError as error:
        raise GraphError(f"{error.filename} not found: give the root of a checkout (Q2PT_REPOSITORY)") from None


def _replace(path: Path, text: str) -> None:
    """Writes `path` in one step: other processes may read and write it now."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
        file.write(text)
    os.replace(file.name, path)
