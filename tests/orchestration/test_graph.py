"""The rendered graph is the one that DVC computes, and reading it again costs next to nothing."""

import json
import subprocess
import sys
from multiprocessing import get_context
from pathlib import Path

import pytest
from dvc_project import LOCALES, VARIATIONS, dvc_project, edges_of_dvc, read_graph_often

from q2pt_tasks.orchestration.graph import Graph, GraphError, Hints, compute_graph, read_graph


def _edges(graph: Graph) -> dict[str, set[str]]:
    return {node.address: set(node.upstream) for node in graph.nodes}


def _write(project: Path, dvc_yaml: str) -> Path:
    (project / "dvc.yaml").write_text(dvc_yaml)
    (project / "params.yaml").write_text("seed: 1\n")
    return project


@pytest.mark.parametrize("variation", VARIATIONS)
def test_the_edges_are_those_of_dvc(tmp_path: Path, variation: str) -> None:
    changes, nodes = VARIATIONS[variation]
    project = dvc_project(tmp_path, changes)
    graph = read_graph(project, tmp_path / "cache")
    assert len(graph.nodes) == nodes
    assert _edges(graph) == edges_of_dvc(project)


def test_a_node_says_what_it_is() -> None:
    graph = compute_graph(Path.cwd())
    node = graph.node("train_non_unified@de-AT")
    assert (node.stage, node.item, node.outs) == ("train_non_unified", "de-AT", ("models/non_unified/de-AT",))
    assert node.upstream == ("encoder", "split", "tokenize")
    assert node.description == "A model of one locale, from its own data alone"
    assert node.hints == Hints(pool="gpu", queue="gpu", retries=2)
    assert graph.node("ingest").item is None
    assert graph.node("ingest").hints == Hints(pool="default_pool", queue="default", retries=1)


def test_every_node_comes_after_those_that_it_depends_on_and_items_in_the_order_of_params() -> None:
    graph = compute_graph(Path.cwd())
    place = {address: index for index, address in enumerate(graph.addresses)}
    assert all(place[above] < place[node.address] for node in graph.nodes for above in node.upstream)
    assert [node.item for node in graph.nodes if node.stage == "train_non_unified"][:3] == LOCALES


def test_the_ancestors_reach_back_to_the_first_stage() -> None:
    graph = compute_graph(Path.cwd())
    assert graph.ancestors("ingest") == ()
    before = ("ingest", "encoder", "validate", "label", "split", "tokenize")
    assert graph.ancestors("train_unified@unified_aware") == before
    assert set(graph.ancestors("report")) == set(graph.addresses) - {"report"}


def test_temporary_files_may_lie_in_a_checkout_whose_git_ignores_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = dvc_project(tmp_path, {})
    ignored = checkout / "build/tmp"
    ignored.mkdir(parents=True)
    (checkout / ".gitignore").write_text("/build/\n")
    monkeypatch.setattr("tempfile.tempdir", str(ignored))
    assert _edges(compute_graph(checkout)) == edges_of_dvc(checkout)
    assert not list(ignored.iterdir())


def test_an_edge_of_all_items_is_one_edge_of_the_stage() -> None:
    edges = set(compute_graph(Path.cwd()).edges())
    assert {("tokenize", "train_non_unified"), ("train_non_unified", "evaluate"), ("ingest", "validate")} <= edges
    assert not [edge for edge in edges if "@" in "".join(edge)]


def test_an_edge_of_single_items_stays_one(tmp_path: Path) -> None:
    both = "matrix: {item: [a, b]}"
    project = _write(
        tmp_path,
        f"stages: {{one: {{{both}, cmd: 'touch 1${{item.item}}', outs: ['1${{item.item}}']}}, "
        f"two: {{{both}, cmd: 'touch 2${{item.item}}', deps: ['1${{item.item}}'], outs: ['2${{item.item}}']}}}}\n",
    )
    graph = compute_graph(project)
    assert set(graph.edges()) == {("one@a", "two@a"), ("one@b", "two@b")}
    assert {stage: [node.item for node in nodes] for stage, nodes in graph.stages.items()} == {
        "one": ["a", "b"],
        "two": ["a", "b"],
    }
    assert (graph.roots, graph.leaves) == (("one@a", "one@b"), ("two@a", "two@b"))


def test_the_first_and_the_last_of_the_pipeline() -> None:
    graph = compute_graph(Path.cwd())
    assert (graph.roots, graph.leaves) == (("ingest", "encoder"), ("report",))


def test_an_unknown_address_is_named_beside_the_known_ones() -> None:
    graph = compute_graph(Path.cwd())
    for ask in (graph.node, graph.ancestors, lambda address: graph.part([address])):
        with pytest.raises(GraphError, match=r"'train@xx'.*it has ingest, encoder, validate"):
            ask("train@xx")


def test_a_part_keeps_the_order_and_what_its_nodes_depend_on() -> None:
    graph = compute_graph(Path.cwd())
    part = graph.part(["split", "ingest"])
    assert part.addresses == ("ingest", "split")
    assert part.node("split").upstream == ("label",)


def test_the_graph_survives_json() -> None:
    graph = compute_graph(Path.cwd())
    assert Graph.from_json(graph.to_json()) == graph


def test_computing_writes_nothing_into_the_checkout(tmp_path: Path) -> None:
    project = _write(tmp_path, "stages: {one: {cmd: touch one, outs: [one]}}\n")
    compute_graph(project)
    assert sorted(path.name for path in project.iterdir()) == ["dvc.yaml", "params.yaml"]


def test_a_kept_graph_needs_no_dvc_and_no_time(tmp_path: Path) -> None:
    read_graph(Path.cwd(), tmp_path)
    code = (
        "import json, sys, time\n"
        "for name in ('dvc', 'torch', 'transformers', 'pandas', 'great_expectations'): sys.modules[name] = None\n"
        "from pathlib import Path\n"
        "from q2pt_tasks.orchestration.graph import read_graph\n"
        "started = time.perf_counter()\n"
        f"nodes = len(read_graph(Path.cwd(), Path({str(tmp_path)!r})).nodes)\n"
        "print(json.dumps([nodes, time.perf_counter() - started, [*sys.modules]]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    nodes, seconds, modules = json.loads(done.stdout)
    assert nodes == 31
    assert seconds < 0.05
    assert not [name for name in modules if name.startswith(("dvc.", "networkx", "dvc_data", "airflow"))]


@pytest.mark.parametrize("damage", ["", '{"nodes": [', '{"nodes": [{"address": "ingest"}]}', '{"other": []}', "\0"])
def test_a_damaged_kept_graph_is_computed_again(tmp_path: Path, damage: str) -> None:
    project = _write(tmp_path, "stages: {one: {cmd: touch one, outs: [one]}}\n")
    graph = read_graph(project, tmp_path / "cache")
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_text(damage)
    assert read_graph(project, tmp_path / "cache") == graph
    assert Graph.from_json(kept.read_text()) == graph


def test_a_kept_graph_of_other_contents_or_of_an_older_version_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    project = _write(tmp_path, "stages: {one: {cmd: touch one, outs: [one]}}\n")
    read_graph(project, cache)
    _write(tmp_path, "stages: {two: {cmd: touch two, outs: [two]}}\n")
    assert read_graph(project, cache).addresses == ("two",)
    (project / "params.yaml").write_text("seed: 2\n")
    read_graph(project, cache)
    assert len(list(cache.iterdir())) == 3
    monkeypatch.setattr("q2pt_tasks.orchestration.graph.SCHEMA_VERSION", 2)
    read_graph(project, cache)
    assert len(list(cache.iterdir())) == 4


def test_processes_may_keep_the_same_graph_at_once(tmp_path: Path) -> None:
    project = _write(tmp_path, "stages: {one: {cmd: touch one, outs: [one]}}\n")
    spawn = get_context("spawn")
    start = spawn.Barrier(2)
    processes = [spawn.Process(target=read_graph_often, args=(project, tmp_path / "cache", start)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0]
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize(
    ("dvc_yaml", "said"),
    [
        ("stages: [", "DVC cannot load the graph of .*dvc.yaml"),
        ("stages: {one: {cmd: cp one one, deps: [one], outs: [one]}}", "both a dependency and an output"),
        ("stages: {one: {cmd: 'echo ${nothing}'}}", "nothing"),
        ("stages: {one: {cmd: echo, meta: {airflow: {pools: gpu}}}}", "stage one: meta.airflow: .*pools"),
        ("stages: {one: {cmd: echo, meta: {airflow: {retries: '1'}}}}", "stage one: meta.airflow: .*retries"),
    ],
)
def test_what_is_wrong_in_dvc_yaml_is_said(tmp_path: Path, dvc_yaml: str, said: str) -> None:
    with pytest.raises(GraphError, match=rf"(?s){said}"):
        compute_graph(_write(tmp_path, dvc_yaml))


def test_a_folder_that_is_no_checkout_is_named(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match=r"dvc\.yaml not found: give the root of a checkout \(Q2PT_REPOSITORY\)"):
        read_graph(tmp_path, tmp_path / "cache")
