"""From a candidate to a release: its checkpoints by their hashes, what they answer, and the stores that stay behind."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from q2pt_tasks.model.champion import hash_folder
from q2pt_tasks.model.metadata import load_metadata
from q2pt_tasks.registry.candidate import Candidate
from q2pt_tasks.registry.golden import golden_answers
from q2pt_tasks.registry.objects import ObjectStore
from q2pt_tasks.registry.release import Release, ReleasedCheckpoint, encoder_place, place, route


def make_release(candidate: Candidate, champion: Release | None, version: str, now: datetime) -> Release:
    """The release of a candidate, with what it answers; its files are fetched and hashed on the way.

    Raises:
        StoreError: they cannot be had, or are damaged.
        CheckpointError: a checkpoint cannot be loaded.
        ReleaseError: a store is to stay on a checkpoint that the champion does not have.
    """
    with TemporaryDirectory(prefix="q2pt-candidate-") as scratch:
        new = _checkpoints(candidate, version, Path(scratch))
        golden = golden_answers(new, lambda one: Path(scratch) / place(one))
    checkpoints = route(new, champion.checkpoints if champion else (), candidate.kept)
    kept = [answer for answer in champion.golden if answer.locale in candidate.kept] if champion else []
    return Release(
        version=version,
        created=now.astimezone(UTC).isoformat(timespec="seconds"),
        run=candidate.run,
        commit=candidate.commit,
        by=candidate.by,
        why=candidate.why,
        variant=candidate.variant,
        last_day=candidate.last_day,
        judged_against=champion.version if champion else None,
        figures=candidate.figures,
        checkpoints=checkpoints,
        store=candidate.store,
        golden=(*(answer for answer in golden if answer.locale not in candidate.kept), *kept),
    )


def _checkpoints(candidate: Candidate, version: str, folder: Path) -> list[ReleasedCheckpoint]:
    """The candidate's trained checkpoints, whose files are brought below `folder`."""
    store, models = ObjectStore(candidate.store), candidate.models
    if models.encoder:
        store.fetch_directory(models.encoder, folder / encoder_place(models.encoder))
    found = []
    for locale, model in models.by_locale.items():
        one = ReleasedCheckpoint(
            variant=candidate.variant,
            since=version,
            model=model,
            encoder=models.encoder,
            hash="",
            locales=(locale,) if locale else candidate.locales,
            others=not locale,
        )
        store.fetch_directory(model, folder / place(one))
        if load_metadata(folder / place(one)).status != "untrained":
            found.append(replace(one, hash=hash_folder(folder / place(one))))
    return found
