"""From a run's candidate to production, and back: register, verify what consumers will get, then move the stage.

A crash at any point leaves what served before, and the next try finishes what was begun.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from q2pt_tasks.plain_text import moves_cursor
from q2pt_tasks.registry.candidate import Candidate, PromotionRefusedError
from q2pt_tasks.registry.expired_branch import expired_among
from q2pt_tasks.registry.golden import check_answers
from q2pt_tasks.registry.history import Kind, Move, rolled_back, served_before
from q2pt_tasks.registry.making import make_release
from q2pt_tasks.registry.objects import ObjectStore, StoreError
from q2pt_tasks.registry.opening import OpenedRelease, resolve
from q2pt_tasks.registry.release import Release, directories, without
from q2pt_tasks.registry.repository import Registry
from q2pt_tasks.registry.tags import PROD, PRODUCTION, Refs, RegistryError, version_tag

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Promotion:
    """What serves now: a version, its tag in git, the hash of what it serves, and what served before."""

    version: str
    tag: str
    hash: str
    before: str | None


def promote(registry: Registry, candidate: Candidate, now: datetime) -> Promotion:
    """Makes the candidate what production serves; one whose run serves already changes nothing.

    Raises:
        PromotionRefusedError: it was compared with another release than the one in production, or was rolled back, or
            another promotion came first.
        RegistryError: the registry contradicts itself.
        StoreError: its files are not in the store, or are damaged there.
        GoldenAnswerError: what consumers would get answers otherwise than what was judged.
        GitError: the registry cannot be reached.
    """
    refs = registry.refs()
    serving, moves = refs.serving(PROD), registry.moves(refs, PROD)
    _check_branch(refs, moves)
    champion = registry.release(refs, serving) if serving else None
    if champion and champion.commit == candidate.commit:
        return promotion_of(champion, moves)
    check_judged(candidate.judged_against, champion)
    release = registry.registered(refs, candidate.commit) or _register(registry, refs, candidate, champion, moves, now)
    verify(release)
    move = _next_move("promotion", release, refs, moves, candidate.by, candidate.why, now)
    registry.move(refs, PROD, move)
    return promotion_of(release, [move])


def roll_back(registry: Registry, to: str | None, by: str, why: str, now: datetime) -> Promotion:
    """Makes production serve an earlier release again: `to`, such as `v3`, or the one that served before.

    Another try by the same person for the same reason finds what the first one did, and changes nothing.

    Raises:
        PromotionRefusedError: there is nothing to go back to, or another promotion or rollback came first; or the
            reason is no text.
        RegistryError: there is no such version, or the registry contradicts itself.
        StoreError: its files are not in the store any more, or are damaged there.
        GoldenAnswerError: it answers otherwise than when it was made.
        GitError: the registry cannot be reached.
    """
    _check_reason(why)
    refs = registry.refs()
    moves = registry.moves(refs, PROD)
    if _is_done(refs, moves, to, by, why):
        return promotion_of(registry.release(refs, moves[-1].version), moves)
    serving, target = refs.serving(PROD), resolve(refs, to) if to else served_before(moves)
    if target is None:
        raise PromotionRefusedError(f"{PROD} has served {serving or 'nothing'} and nothing before: give --to VERSION")
    if target == serving:
        raise PromotionRefusedError(f"{PROD} serves {target} already")
    if target not in {move.version for move in moves}:
        raise PromotionRefusedError(f"{target} never was in {PROD}: a rollback goes back to a release that served")
    release = registry.release(refs, target)
    try:
        verify(release)
    except StoreError as error:
        raise StoreError(f"{error}{expired_among(registry.url, directories(release).values())}") from error
    move = _next_move("rollback", release, refs, moves, by, why, now)
    registry.move(refs, PROD, move)
    return promotion_of(release, [move])


def _is_done(refs: Refs, moves: Sequence[Move], to: str | None, by: str, why: str) -> bool:
    """Whether an earlier try of the same rollback was the last thing that happened."""
    last = moves[-1] if moves else None
    if last is None or (last.kind, last.by, last.why) != ("rollback", by, why):
        return False
    return to is None or resolve(refs, to) == last.version


def retire(registry: Registry, locale: str, by: str, why: str, now: datetime) -> Promotion:
    """Makes production serve a release without a store, which has closed; else no run without it may promote.

    Raises:
        PromotionRefusedError: nothing serves it by its name, or it is the only one, or another promotion came first; or
            the reason is no text.
        RegistryError: the registry contradicts itself.
        GitError: the registry cannot be reached.
    """
    _check_reason(why)
    refs = registry.refs()
    moves = registry.moves(refs, PROD)
    _check_branch(refs, moves)
    serving = registry.serving(PROD)
    if serving is None or locale not in serving.locales or serving.locales == (locale,):
        raise PromotionRefusedError(
            f"{PROD} serves {', '.join(serving.locales) if serving else 'nothing'}: {locale!r} cannot be taken out"
        )
    release = replace(
        serving,
        version=refs.next_version(),
        created=now.astimezone(UTC).isoformat(timespec="seconds"),
        by=by,
        why=why,
        checkpoints=without(serving.checkpoints, locale),
        golden=tuple(answer for answer in serving.golden if answer.locale != locale),
    )
    registry.register(refs, release)
    move = _next_move("promotion", release, refs, moves, by, why, now)
    registry.move(refs, PROD, move)
    return promotion_of(release, [move])


def verify(release: Release) -> None:
    """Fetches a release as a consumer with an empty folder does, and asks it what it must answer.

    Raises:
        StoreError, GoldenAnswerError, CheckpointError: what consumers would get is not what was judged.
    """
    log.info("fetching release %s from %s, to verify it", release.version, release.store.url)
    with TemporaryDirectory(prefix="q2pt-verify-") as folder:
        ObjectStore(release.store).fetch(release, Path(folder))
        opened = OpenedRelease(release.version, release, Path(folder))
        check_answers(release.golden, opened.checkpoint_of)


def check_judged(judged: tuple[str, str] | None, champion: Release | None) -> None:
    """Checks that a candidate was compared with what is in production.

    Raises:
        PromotionRefusedError: it was compared with something else.
    """
    # Before the first promotion the run's own commit says what the champion is, and evaluate read that.
    if champion and judged != (champion.version, champion.hash):
        raise PromotionRefusedError(
            f"the candidate was judged against {judged[0] if judged else 'no champion'}, in production is "
            f"{champion.version} by now: start another run, which compares it with that one"
        )


def _check_reason(why: str) -> None:
    """Checks that the history, which nothing is ever taken out of, can be printed."""
    if moves_cursor(why):
        raise PromotionRefusedError(f"the reason {why!r} has control characters: give text")


def _check_branch(refs: Refs, moves: Sequence[Move]) -> None:
    """Checks that the branch is where the last promotion left it."""
    last = next((move for move in reversed(moves) if move.kind == "promotion"), None)
    expected = refs.moves[PROD][last.number] if last else None
    if refs.production != expected:
        raise RegistryError(
            f"the branch {PRODUCTION} is at {refs.production or 'nothing'}, and the last promotion left it at "
            f"{expected or 'nothing'}: somebody moved it; push it back there, or delete it where nothing was promoted"
        )


def _check_stores(release: Release, champion: Release | None) -> None:
    """Checks that no store loses its model."""
    if champion and (lost := set(champion.locales) - set(release.locales)):
        raise PromotionRefusedError(
            f"{champion.version} serves {', '.join(sorted(lost))}, for which the candidate has no trained model: their "
            "shoppers would lose theirs"
        )


def _register(
    registry: Registry,
    refs: Refs,
    candidate: Candidate,
    champion: Release | None,
    moves: Sequence[Move],
    now: datetime,
) -> Release:
    release = make_release(candidate, champion, refs.next_version(), now)
    if undone := rolled_back(moves, release.hash):
        raise PromotionRefusedError(
            f"this model served as {undone.before} until {undone.by} rolled it back on {undone.when} ({undone.why}): "
            f"to serve it again, `q2pt rollback --to {undone.before}`"
        )
    _check_stores(release, champion)
    registry.register(refs, release)
    return release


def _next_move(
    kind: Kind, release: Release, refs: Refs, moves: Sequence[Move], by: str, why: str, now: datetime
) -> Move:
    # gto orders the moves by their time, in seconds: on another machine's clock, or at once, this one comes later too.
    when = max([now, *(move.moment + timedelta(seconds=1) for move in moves[-1:])])
    return Move(
        number=refs.next_move(PROD),
        kind=kind,
        version=release.version,
        before=refs.serving(PROD),
        hash=release.hash,
        when=when.astimezone(UTC).isoformat(timespec="seconds"),
        by=by,
        why=why,
        figures=release.figures,
    )


def promotion_of(release: Release, moves: Sequence[Move]) -> Promotion:
    """What the last of `moves`, which was to `release`, has changed."""
    return Promotion(release.version, version_tag(release.version), release.hash, moves[-1].before)
