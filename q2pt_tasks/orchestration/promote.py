"""The last task of a run that the gate said yes to: makes its candidate the champion.

All data is in the store before anything names it. One atomic push then moves the branch `production` and sets the tag
of the version, so that there is always one champion, the old one or the new one. The branch moves forward only, which
makes it the lock as well: of two promotions at once, the remote refuses the second.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from contextlib import chdir
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Any

from dvc.repo import Repo
from pydantic import TypeAdapter

from q2pt_tasks.layout import Layout
from q2pt_tasks.orchestration.branches import LATEST, LOCK, PRODUCTION, file_at
from q2pt_tasks.orchestration.champion_file import CHAMPION_FILE, NamedChampion, parse_champion
from q2pt_tasks.orchestration.clone import private_clone
from q2pt_tasks.orchestration.decision_file import Decision, JudgedChampion, outs_of, read_decision
from q2pt_tasks.orchestration.git import push, run_git, tag, tip
from q2pt_tasks.orchestration.join import Joined, check_stored
from q2pt_tasks.orchestration.lock import Entry, read_lock
from q2pt_tasks.orchestration.plan import RunPlan
from q2pt_tasks.orchestration.remote import open_store
from q2pt_tasks.orchestration.settings import Settings
from q2pt_tasks.orchestration.store import Out, SharedCache
from q2pt_tasks.params import read_section


class PromotionRefusedError(RuntimeError):
    """The run's candidate must not become the champion."""


@dataclass(frozen=True)
class Promotion:
    """A version of the champion, its tag in git, and the hash of its files."""

    version: str
    tag: str
    hash: str


@dataclass(frozen=True)
class _Production:
    """The tip of the branch, and the champion that it names; before the first promotion neither."""

    commit: str | None
    champion: NamedChampion | None


def run(settings: Settings, request: Mapping[str, Any]) -> dict[str, Any]:
    """As `promote`, from JSON to JSON."""
    joined = TypeAdapter(Joined).validate_python(request["joined"])
    return asdict(promote(settings, RunPlan.from_json(request["plan"]), joined))


def promote(settings: Settings, plan: RunPlan, joined: Joined) -> Promotion:
    """Makes the candidate of a run's decision the champion; a run that was promoted before keeps its version.

    Raises:
        PromotionRefusedError: the gate said no, the run may not promote or is incomplete, or it was judged against a
            champion that is not in production any more.
        MissingObjectError: data of the candidate is not in the store.
        GitError: the remote cannot be reached, or another promotion came first. Nothing is promoted then.
    """
    _check_run(plan, joined)
    with private_clone(settings, joined.commit) as clone, chdir(clone):
        production = _production(settings, clone)
        if production.champion and production.champion.commit == joined.commit:
            return _promotion(production.champion)
        entries = read_lock(clone / LOCK)
        with Repo() as repo:
            store = open_store(settings, repo)
            decision = read_decision(entries, store)
            _check_decision(decision, production)
            if not plan.any_window:
                _check_window(settings, clone)
            outs = _model_outs(entries, decision.candidate)
            check_stored(store, list(outs.values()))
            files = _files(outs, store)
        version = _next_version(settings, production)
        champion = NamedChampion(
            version=version,
            hash=_hash(files),
            path=f"build/champion/{version}",
            outs={place: out["md5"] for place, out in outs.items()},
            locales=read_section(Layout(clone).params, "locales", tuple[str, ...]),
            commit=joined.commit,
            last_day=_last_day((clone / Layout().source_manifest).read_text(encoding="utf-8")).isoformat(),
        )
        message = f"Champion {version}: {decision.candidate} of {plan.run_id}\n\n{decision.sentence}"
        _publish(settings, clone, production, champion, message)
    return _promotion(champion)


def _check_run(plan: RunPlan, joined: Joined) -> None:
    if not joined.complete:
        raise PromotionRefusedError(f"the run is incomplete, it lacks {', '.join(joined.missing)}")
    if not plan.may_promote:
        raise PromotionRefusedError(f"this run may not promote: {plan.why_not_promote}")


def _production(settings: Settings, clone: Path) -> _Production:
    commit = tip(settings.git_remote, PRODUCTION)
    champion = parse_champion(file_at(settings, commit, CHAMPION_FILE, clone)) if commit else None
    return _Production(commit, champion)


def _check_decision(decision: Decision, production: _Production) -> None:
    if not decision.promote or decision.candidate is None:
        raise PromotionRefusedError(f"the gate said no: {decision.sentence}")
    judged, serving = decision.champion, production.champion
    # Before the first promotion the run's own commit says what the champion is, and evaluate read that.
    if production.commit and judged != (JudgedChampion(serving.version, serving.hash) if serving else None):
        against, now = (judged.version if judged else "no champion"), (serving.version if serving else "none")
        raise PromotionRefusedError(
            f"the candidate was judged against {against}, in production is {now} by now: start another run, which "
            "compares it with that one"
        )


def _check_window(settings: Settings, clone: Path) -> None:
    """Checks that no later window has been judged meanwhile, as when this task is cleared days after its run."""
    latest = tip(settings.git_remote, LATEST)
    manifest = Layout().source_manifest.as_posix()
    if latest is None:
        return
    own = _last_day((clone / manifest).read_text(encoding="utf-8"))
    newest = _last_day(file_at(settings, latest, manifest, clone))
    if own < newest:
        raise PromotionRefusedError(
            f"the run's window ends on {own}, and a run up to {newest} has been judged since: start a new run, or one "
            "of this window whose form asks to promote"
        )


def _last_day(manifest: str) -> date:
    return date.fromisoformat(json.loads(manifest)["last_day"])


def _model_outs(entries: Mapping[str, Entry], candidate: str | None) -> dict[str, Out]:
    """The outputs that are the candidate's model, by their place in the champion's directory.

    That is the place that `q2pt_tasks.model.champion` looks at: the directory itself for one model of all locales, the
    path below `models` for one model per locale. With those goes the encoder, at its own path, for they may hold only
    what changed against it.
    """
    models, encoder = Layout().models.as_posix(), Layout().encoder.as_posix()
    folder = f"{models}/{candidate}"
    outs = outs_of(entries)
    if folder in outs:
        return {".": outs[folder]}
    own = {path.removeprefix(f"{models}/"): out for path, out in outs.items() if path.startswith(f"{folder}/")}
    if not own:
        raise PromotionRefusedError(f"the run has no output {folder}, which the gate's candidate would be")
    return own | {path: out for path, out in outs.items() if path == encoder}


def _files(outs: Mapping[str, Out], store: SharedCache) -> dict[str, str]:
    """The files of the champion's directory, hashes by path."""
    listed = ((place, name, md5) for place, out in outs.items() for name, md5 in store.manifest(out["md5"]))
    return {(PurePosixPath(place) / name).as_posix(): md5 for place, name, md5 in listed}


def _hash(files: Mapping[str, str]) -> str:
    """What `hash_folder` of `q2pt_tasks.model.champion` finds in a directory with these files."""
    total = hashlib.md5(usedforsecurity=False)
    for path in sorted(files, key=PurePosixPath):
        total.update(f"{path}\0{files[path]}\n".encode())
    return total.hexdigest()


def _next_version(settings: Settings, production: _Production) -> str:
    """One more than any version that was there: a number that was used once never means another model."""
    listed = run_git(Path.cwd(), "ls-remote", "--quiet", "--refs", "--", settings.git_remote, "refs/tags/champion/*")
    used = [line.rpartition("/")[2] for line in listed.splitlines()]
    if production.champion:
        used.append(production.champion.version)
    numbers = [int(version[1:]) for version in used if re.fullmatch(r"v[0-9]+", version)]
    return f"v{max(numbers, default=0) + 1}"


def _publish(settings: Settings, clone: Path, production: _Production, champion: NamedChampion, message: str) -> None:
    """Commits `champion.json` on top of the branch and of the run, tags the run, and pushes both or neither."""
    (clone / CHAMPION_FILE).write_text(champion.to_text(), encoding="utf-8")
    run_git(clone, "add", "--", CHAMPION_FILE)
    parents = [commit for commit in (production.commit, champion.commit) if commit]
    arguments = [argument for parent in parents for argument in ("-p", parent)]
    commit = run_git(clone, "commit-tree", *arguments, "-m", message, run_git(clone, "write-tree"))
    tag(clone, _promotion(champion).tag, message)
    push(clone, settings.git_remote, f"{commit}:refs/heads/{PRODUCTION}", f"refs/tags/{_promotion(champion).tag}")


def _promotion(champion: NamedChampion) -> Promotion:
    return Promotion(champion.version, f"champion/{champion.version}", champion.hash)
