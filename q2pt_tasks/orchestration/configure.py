"""The first task of a run: makes the commit that all others clone, and plans which stages run.

Loaded in a child process alone: reading sources and asking DVC take seconds of imports.
"""

import json
from collections.abc import Iterable, Mapping
from contextlib import chdir
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from dvc.repo import Repo

from q2pt_tasks.check_params import check_params
from q2pt_tasks.git import GitError, commit_all, push, tip
from q2pt_tasks.layout import Layout
from q2pt_tasks.model.champion import read_champion
from q2pt_tasks.orchestration.branches import LATEST, LOCK, branch_name, file_at
from q2pt_tasks.orchestration.clone import private_clone, sweep
from q2pt_tasks.orchestration.form import Form
from q2pt_tasks.orchestration.graph import Graph, read_graph
from q2pt_tasks.orchestration.inputs import inputs_of
from q2pt_tasks.orchestration.lock import Entry, read_lock, write_lock
from q2pt_tasks.orchestration.overrides import changes_of, read_committed, window_end
from q2pt_tasks.orchestration.plan import RunPlan, RunRequest, Scope, read_request, why_not_promote
from q2pt_tasks.orchestration.remote import open_store
from q2pt_tasks.orchestration.settings import Settings
from q2pt_tasks.orchestration.unchanged import is_unchanged
from q2pt_tasks.params_edit import edit_params
from q2pt_tasks.registry.repository import Registry
from q2pt_tasks.registry.tags import PROD
from q2pt_tasks.sources.resolve import resolve

# What the commit of a run adds to the one that it starts from.
WORLD = ("params.yaml", "data/source.json", "data/encoder.json", "data/judgements.json", "champion.json")

_RENDER_AGAIN = (
    "bring the checkout that the DAG is rendered from up to date, wait until Airflow has read it, start again"
)


class GraphDiffersError(ValueError):
    """The run's commit has other stages, or others before a stage, than the DAG has tasks for."""


@dataclass(frozen=True)
class _World:
    """What the run learns from, and all that it could have learned from."""

    whole: Scope
    run: Scope
    sentence: str


def run(settings: Settings, request: Mapping[str, Any]) -> dict[str, Any]:
    """As `configure`, from JSON to JSON."""
    return configure(settings, read_request(request)).to_json()


def configure(settings: Settings, request: RunRequest) -> RunPlan:
    """Commits what the run is on its own branch of the git remote, and plans it.

    Raises:
        FormError: the form asks for something that a run cannot do.
        ParamsError: `params.yaml` of the commit says something that the pipeline cannot obey.
        SourceError: the source or the encoder cannot be used as params say.
        ChampionError: `champion.json` names no champion.
        RegistryError: the registry of releases contradicts itself.
        GraphDiffersError: the commit's graph is not the one that the DAG was rendered from.
        GitError: the remote cannot be reached, or refuses the branch.
    """
    sweep(settings)
    base = tip(settings.git_remote, settings.git_branch)
    if base is None:
        raise GitError(f"the git remote has no branch {settings.git_branch}: set Q2PT_GIT_BRANCH, or push it")
    with private_clone(settings, base) as clone:
        layout, form = Layout(clone), request.form
        world = _resolve_world(layout, request)
        champion_locales = _take_champion(settings, layout)
        graph = read_graph(clone, settings.work_dir / "graphs")
        skipped = _check_graph(graph, request.rendered)
        last = _seed_lock(settings, clone, graph)
        branch = branch_name(request.run_id)
        commit = commit_all(clone, _committed_paths(clone), f"Run {request.run_id}\n\n{form.why or ''}")
        push(clone, settings.git_remote, f"+{commit}:refs/heads/{branch}")
        unchanged = _unchanged(settings, clone, graph, last) if last and not form.force else {}
    why_not = why_not_promote(form, world.whole, world.run, champion_locales)
    return RunPlan(
        run_id=request.run_id,
        commit=commit,
        branch=branch,
        addresses=graph.addresses,
        skipped=skipped,
        unchanged=unchanged,
        last=last,
        force=bool(form.force),
        approval=_needs_approval(settings, form),
        may_promote=not why_not,
        why_not_promote=why_not,
        any_window=form.promote is True,
        summary=_summary(world, graph, unchanged, why_not),
    )


def _needs_approval(settings: Settings, form: Form) -> bool:
    # Whoever starts a run does not decide whether somebody looks at what they changed. A run that the schedule or a new
    # log starts has an empty form.
    return bool(form.approval) or (settings.approval_required and bool(form.overrides()))


def _resolve_world(layout: Layout, request: RunRequest) -> _World:
    """Edits params and writes the manifests of source and encoder."""
    committed = read_committed(layout.params)
    changes = changes_of(request.form, committed)
    # First without a day: which is the newest that the source has?
    sentence = _resolve(layout, changes | ({"ingest.last_day": None} if committed.last_day else {}))
    newest = date.fromisoformat(json.loads(layout.source_manifest.read_text(encoding="utf-8"))["last_day"])
    last_day = window_end(request.form, committed.last_day, request.logical_date, newest)
    # The newest day stays null: tonight's params are last night's, and ingest runs for the data's sake alone.
    if last_day < newest or committed.last_day:
        sentence = _resolve(layout, {"ingest.last_day": last_day.isoformat()})
    locales, variants = changes.get("locales", committed.locales), changes.get("variants", committed.variants)
    return _World(
        whole=Scope(committed.locales, committed.variants, newest),
        run=Scope(tuple(locales), tuple(variants), last_day),
        sentence=sentence,
    )


def _resolve(layout: Layout, changes: Mapping[str, Any]) -> str:
    if changes:
        edit_params(layout.params, changes)
    # A slip in a late stage's section is found now, and not after the trainings.
    check_params(layout)
    return resolve(layout)


def _take_champion(settings: Settings, layout: Layout) -> tuple[str, ...]:
    """Writes what is in production to the run's `champion.json`; returns the locales that it serves."""
    if release := Registry(settings.git_remote, layout.root).serving(PROD):
        layout.champion.write_text(release.to_text(), encoding="utf-8")
    champion = read_champion(layout.champion)
    return champion.locales if champion else ()


def _check_graph(graph: Graph, rendered: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The tasks of the DAG that this run has no stage for."""
    if strangers := [address for address in graph.addresses if address not in rendered]:
        raise GraphDiffersError(
            f"the commit has {', '.join(strangers)}, for which the DAG has no tasks; it has {', '.join(rendered)}: "
            f"{_RENDER_AGAIN}"
        )
    for address, upstream in graph.upstream.items():
        # A narrowed run has fewer stages before this one.
        known = [above for above in rendered[address] if above in graph.addresses]
        if set(known) != set(upstream):
            raise GraphDiffersError(
                f"in the commit {address} comes after {_listed(upstream)}, in the DAG after {_listed(known)}: "
                f"{_RENDER_AGAIN}"
            )
    return tuple(address for address in rendered if address not in graph.addresses)


def _listed(addresses: Iterable[str]) -> str:
    return ", ".join(sorted(addresses)) or "nothing"


def _seed_lock(settings: Settings, clone: Path, graph: Graph) -> dict[str, Entry]:
    """Writes the entries of the last complete run, as far as this one has the stages."""
    latest = tip(settings.git_remote, LATEST)
    if latest is None:
        return {}
    (clone / LOCK).write_text(file_at(settings, latest, LOCK, clone), encoding="utf-8")
    last = {address: entry for address, entry in read_lock(clone / LOCK).items() if address in graph.addresses}
    write_lock(clone / LOCK, last)
    return last


def _committed_paths(clone: Path) -> list[str]:
    return [path for path in (*WORLD, LOCK) if (clone / path).exists()]


def _unchanged(settings: Settings, clone: Path, graph: Graph, last: Mapping[str, Entry]) -> dict[str, Entry]:
    """Entries of the stages that would make again what they made last time, as all stages before them would."""
    found: dict[str, Entry] = {}
    # DVC resolves paths against the working directory.
    with chdir(clone), Repo() as repo:
        store = open_store(settings, repo)
        stages = {stage.addressing: stage for stage in repo.index.stages}
        for node in graph.nodes:
            if node.address not in last or not found.keys() >= set(node.upstream):
                continue
            stage, entry = stages[node.address], last[node.address]
            before = {address: found[address] for address in node.upstream}
            if is_unchanged(stage, inputs_of(stage, before, store), entry) and store.holds(entry.get("outs", [])):
                found[node.address] = entry
    return found


def _summary(world: _World, graph: Graph, unchanged: Mapping[str, Entry], why_not: str) -> str:
    return (
        f"{world.sentence} {len(world.run.locales)} of {len(world.whole.locales)} locales, "
        f"{len(world.run.variants)} of {len(world.whole.variants)} unified variants. "
        f"{len(unchanged)} of {len(graph.addresses)} stages are unchanged. "
        + (f"No promotion: {why_not}." if why_not else "Promotion is up to the gate.")
    )
