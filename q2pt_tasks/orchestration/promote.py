"""The last task of a run that the gate said yes to: makes its candidate what production serves.

What the run is and whether it may is looked at here; how a candidate becomes a release, and a release takes production,
is the registry's.
"""

import json
from collections.abc import Mapping
from contextlib import chdir
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from dvc.repo import Repo
from pydantic import TypeAdapter

from q2pt_tasks.git import tip
from q2pt_tasks.layout import Layout
from q2pt_tasks.orchestration.branches import LATEST, LOCK, file_at
from q2pt_tasks.orchestration.clone import private_clone
from q2pt_tasks.orchestration.decision_file import outs_of, read_decision, read_figures
from q2pt_tasks.orchestration.join import Joined, check_stored
from q2pt_tasks.orchestration.lock import read_lock
from q2pt_tasks.orchestration.plan import RunPlan
from q2pt_tasks.orchestration.remote import open_store
from q2pt_tasks.orchestration.settings import Settings
from q2pt_tasks.params import read_section
from q2pt_tasks.registry import promotion
from q2pt_tasks.registry.candidate import Candidate, PromotionRefusedError, models_of
from q2pt_tasks.registry.promotion import Promotion, promotion_of
from q2pt_tasks.registry.release import Release, Store
from q2pt_tasks.registry.repository import Registry
from q2pt_tasks.registry.tags import PROD


def run(settings: Settings, request: Mapping[str, Any]) -> dict[str, Any]:
    """As `promote`, from JSON to JSON."""
    joined = TypeAdapter(Joined).validate_python(request["joined"])
    return asdict(promote(settings, RunPlan.from_json(request["plan"]), joined))


def promote(settings: Settings, plan: RunPlan, joined: Joined) -> Promotion:
    """Makes the candidate of a run's decision what production serves; a run that serves already keeps its version.

    Raises:
        PromotionRefusedError: the gate said no, the run may not promote or is incomplete, it was judged against a
            release that is not in production any more, or another promotion came first.
        MissingObjectError: data of the candidate is not in the store.
        StoreError, GoldenAnswerError: what consumers would get is not what was judged.
        RegistryError: the registry contradicts itself.
        GitError: the remote cannot be reached. Nothing is promoted then.
    """
    _check_run(plan, joined)
    with private_clone(settings, joined.commit) as clone, chdir(clone):
        registry = Registry(settings.git_remote, clone)
        champion = registry.serving(PROD)
        if champion and champion.commit == joined.commit:
            return promotion_of(champion, registry.moves(registry.refs(), PROD))
        candidate = _candidate(settings, plan, joined, clone)
        if not plan.any_window:
            _check_window(settings, clone, champion)
        return promotion.promote(registry, candidate, datetime.now(UTC))


def store_of(settings: Settings) -> Store:
    """Where consumers find the files of what these settings make."""
    if settings.dvc_remote is None:
        # A directory has no endpoint, whatever the environment says.
        return Store(str(settings.dvc_cache))
    return Store(settings.dvc_remote, settings.dvc_remote_endpoint)


def _check_run(plan: RunPlan, joined: Joined) -> None:
    if not joined.complete:
        raise PromotionRefusedError(f"the run is incomplete, it lacks {', '.join(joined.missing)}")
    if not plan.may_promote:
        raise PromotionRefusedError(f"this run may not promote: {plan.why_not_promote}")


def _candidate(settings: Settings, plan: RunPlan, joined: Joined, clone: Path) -> Candidate:
    entries = read_lock(clone / LOCK)
    outs = outs_of(entries)
    with Repo() as repo:
        store = open_store(settings, repo)
        decision = read_decision(entries, store)
        if not decision.promote or decision.candidate is None:
            raise PromotionRefusedError(f"the gate said no: {decision.sentence}")
        models = models_of({path: out["md5"] for path, out in outs.items()}, decision.candidate)
        wanted = {*models.by_locale.values(), models.encoder}
        check_stored(store, [out for out in outs.values() if out["md5"] in wanted])
        figures = read_figures(entries, store, decision.candidate)
    judged = decision.champion
    return Candidate(
        run=plan.run_id,
        commit=joined.commit,
        variant=decision.candidate,
        models=models,
        locales=read_section(Layout(clone).params, "locales", tuple[str, ...]),
        kept=decision.kept_locales,
        last_day=_last_day((clone / Layout().source_manifest).read_text(encoding="utf-8")).isoformat(),
        judged_against=(judged.version, judged.hash) if judged else None,
        by=f"Airflow run {plan.run_id}",
        why=decision.sentence,
        figures=figures,
        store=store_of(settings),
    )


def _check_window(settings: Settings, clone: Path, champion: Release | None) -> None:
    """Checks that no later window serves or has been judged meanwhile.

    So it is when this task is cleared days after its run, and when a clock that is behind has hidden the newest days.
    """
    manifest = Layout().source_manifest.as_posix()
    own = _last_day((clone / manifest).read_text(encoding="utf-8"))
    if champion and own < date.fromisoformat(champion.last_day):
        raise PromotionRefusedError(
            f"the run's window ends on {own}, and {champion.version} in production learned up to {champion.last_day}: "
            "look whether a clock is behind or days of the log are gone, or start a run of this window whose form asks "
            "to promote"
        )
    latest = tip(settings.git_remote, LATEST)
    if latest is None:
        return
    newest = _last_day(file_at(settings, latest, manifest, clone))
    if own < newest:
        raise PromotionRefusedError(
            f"the run's window ends on {own}, and a run up to {newest} has been judged since: start a new run, or one "
            "of this window whose form asks to promote"
        )


def _last_day(manifest: str) -> date:
    return date.fromisoformat(json.loads(manifest)["last_day"])
