"""Promotion and rollback with real git, DVC and checkpoints: what serves is always one whole release."""

import multiprocessing
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from checkpoints import LOCALES
from gto.api import get_stages, show
from release_shop import MONDAY, ReleaseShop, judged_now

from q2pt_tasks.git import GitError, run_git
from q2pt_tasks.registry import making, promotion
from q2pt_tasks.registry.candidate import Candidate, PromotionRefusedError
from q2pt_tasks.registry.golden import GoldenAnswerError, check_answers, golden_answers
from q2pt_tasks.registry.history import to_lines
from q2pt_tasks.registry.objects import StoreError
from q2pt_tasks.registry.opening import open_release
from q2pt_tasks.registry.release import Release
from q2pt_tasks.registry.repository import Registry
from q2pt_tasks.registry.tags import PROD, RegistryError

# Promotions at the same moment.
RIVALS = 4


def _version(shop: ReleaseShop) -> str | None:
    release = shop.serving()
    return release.version if release else None


def test_the_first_promotion_registers_and_serves(empty_shop: ReleaseShop) -> None:
    candidate = empty_shop.run("monday")
    done = empty_shop.promote(candidate)
    assert (done.version, done.tag, done.before) == ("v1", "q2pt@v1.0.0", None)
    release = empty_shop.serving()
    assert release is not None
    assert (release.hash, release.commit, release.run) == (done.hash, candidate.commit, "monday")
    assert release.locales == tuple(sorted(LOCALES))
    assert (release.created, release.figures) == ("2026-11-30T02:00:00+00:00", candidate.figures)
    assert {answer.locale for answer in release.golden} == set(LOCALES)
    assert set(empty_shop.refs()) == {
        "refs/heads/main",
        "refs/heads/production",
        "refs/heads/run/monday",
        "refs/tags/q2pt@v1.0.0",
        "refs/tags/q2pt#prod#1",
    }


def test_a_releases_commit_adds_the_release_to_the_runs_files_alone(shop: ReleaseShop) -> None:
    remote = Path(shop.url)
    assert run_git(remote, "diff", "--name-only", "run/monday", "production") == "release.json"
    assert run_git(remote, "log", "-1", "--format=%P", "production") == run_git(remote, "rev-parse", "run/monday")


def test_a_second_promotion_stands_on_the_first_and_on_its_run(shop: ReleaseShop) -> None:
    first = shop.refs()["refs/heads/production"]
    candidate = shop.run("tuesday", seed=2)
    done = shop.promote(candidate, day=1)
    assert (done.version, done.before) == ("v2", "v1")
    assert run_git(Path(shop.url), "log", "-1", "--format=%P", "production").split() == [first, candidate.commit]


def test_promoting_a_run_twice_promotes_it_once(shop: ReleaseShop) -> None:
    candidate = replace(shop.run("tuesday", seed=2), commit=shop.refs()["refs/heads/run/monday"])
    before = shop.refs()
    assert shop.promote(candidate).version == "v1"
    assert shop.refs() == before


def test_a_candidate_that_was_judged_against_another_release_is_refused(shop: ReleaseShop) -> None:
    late = shop.run("late", seed=3)
    shop.promote(shop.run("tuesday", seed=2))
    before = shop.refs()
    with pytest.raises(PromotionRefusedError, match="judged against v1, in production is v2 by now"):
        shop.promote(late)
    assert shop.refs() == before


@pytest.mark.chaos("two-runs")
def test_of_two_promotions_at_once_one_wins_and_the_other_says_why(
    shop: ReleaseShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = shop.run("first", seed=2), shop.run("second", seed=3)
    verify = promotion.verify

    def verify_after_another(release: Release) -> None:
        monkeypatch.setattr(promotion, "verify", verify)
        shop.promote(second)
        verify(release)

    monkeypatch.setattr(promotion, "verify", verify_after_another)
    with pytest.raises(PromotionRefusedError, match="another promotion or rollback came first: prod is at v3 by now"):
        shop.promote(first)
    serving = shop.serving()
    assert serving is not None
    assert serving.run == "second"
    assert shop.promote(judged_now(shop, first)).version == "v4", "v2 stands on a release that is past"


def test_of_two_that_register_at_once_one_takes_the_number(shop: ReleaseShop, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = shop.run("first", seed=2), shop.run("second", seed=3)
    register = Registry.register

    def register_after_another(*arguments: Any) -> None:  # noqa: ANN401
        monkeypatch.setattr(Registry, "register", register)
        shop.promote(second)
        register(*arguments)

    monkeypatch.setattr(Registry, "register", register_after_another)
    with pytest.raises(PromotionRefusedError, match="another promotion has registered v2 at this moment"):
        shop.promote(first)
    assert _version(shop) == "v2"


@pytest.mark.slow
@pytest.mark.chaos("two-runs")
def test_of_promotions_in_processes_at_the_same_moment_one_wins(shop: ReleaseShop, tmp_path: Path) -> None:
    candidates = [shop.run(f"run-{seed}", seed=seed) for seed in range(2, 2 + RIVALS)]
    context = multiprocessing.get_context("spawn")
    moment, said = context.Barrier(RIVALS), context.Queue()
    rivals = [context.Process(target=_promote_at, args=(moment, said, shop, one)) for one in candidates]
    for rival in rivals:
        rival.start()
    heard = [said.get(timeout=300) for _ in rivals]
    for rival in rivals:
        rival.join()
    won = [run for run, refusal in heard if refusal is None]
    assert len(won) == 1, heard
    for _, refusal in heard:
        assert refusal is None or re.search("another promotion|judged against v1, in production is v", refusal)
    opened = open_release("prod", shop.url, tmp_path / "consumer")
    assert opened.manifest is not None
    assert opened.manifest.run == won[0]
    check_answers(opened.manifest.golden, opened.checkpoint_of)


def _promote_at(moment: Any, said: Any, shop: ReleaseShop, candidate: Candidate) -> None:  # noqa: ANN401 - of a context
    """A process that promotes when all others do, and says how it went."""
    moment.wait(300)
    try:
        shop.promote(candidate)
    except PromotionRefusedError as refused:
        said.put((candidate.run, str(refused)))
    else:
        said.put((candidate.run, None))


def test_a_registered_release_never_serves_by_itself_and_its_run_finishes_it(shop: ReleaseShop) -> None:
    candidate = shop.run("tuesday", seed=2)
    shop.register(candidate)
    assert "refs/tags/q2pt@v2.0.0" in shop.refs()
    assert _version(shop) == "v1"
    assert shop.promote(candidate).version == "v2"
    assert _version(shop) == "v2"


def test_a_rollback_serves_the_release_before_and_moves_no_branch(shop: ReleaseShop) -> None:
    shop.promote(shop.run("tuesday", seed=2), day=1)
    branch = shop.refs()["refs/heads/production"]
    done = shop.roll_back(day=2)
    assert (done.version, done.before) == ("v1", "v2")
    assert (_version(shop), shop.refs()["refs/heads/production"]) == ("v1", branch)
    assert shop.roll_back("v2", day=3).version == "v2"
    assert shop.roll_back("v1.0.0", day=4).version == "v1"


def test_a_model_that_was_rolled_back_does_not_return_by_another_run(shop: ReleaseShop) -> None:
    shop.promote(shop.run("tuesday", seed=2), day=1)
    shop.roll_back(day=2)
    again = shop.run("wednesday", seed=2)
    before = shop.refs()
    with pytest.raises(PromotionRefusedError, match=r"served as v2 until ann@desk rolled it back .*complain"):
        shop.promote(again, day=3)
    assert shop.refs() == before
    assert shop.promote(shop.run("thursday", seed=3), day=4).version == "v3"
    assert shop.roll_back(day=5).version == "v1", "the one that served before, not the number before"


@pytest.mark.parametrize(
    ("to", "error", "message"),
    [
        (None, PromotionRefusedError, "has served v1 and nothing before"),
        ("v1", PromotionRefusedError, "serves v1 already"),
        ("v9", RegistryError, "no release v9 is registered, but v1"),
        ("nonsense!", RegistryError, "neither a stage"),
    ],
)
def test_a_rollback_to_nothing_is_refused(
    shop: ReleaseShop, to: str | None, error: type[Exception], message: str
) -> None:
    before = shop.refs()
    with pytest.raises(error, match=message):
        shop.roll_back(to)
    assert shop.refs() == before


def test_a_rollback_that_is_tried_again_is_done_once(shop: ReleaseShop) -> None:
    shop.promote(shop.run("tuesday", seed=2), day=1)
    first = shop.roll_back(day=2)
    before = shop.refs()
    assert shop.roll_back(day=2) == first
    assert shop.roll_back("v1", day=2) == first
    assert shop.refs() == before


def test_a_rollback_to_a_release_that_never_served_is_refused(shop: ReleaseShop) -> None:
    candidate = shop.run("tuesday", seed=2)
    shop.register(candidate)
    with pytest.raises(PromotionRefusedError, match="v2 never was in prod"):
        shop.roll_back("v2")


def test_a_store_stays_on_its_checkpoint(shop: ReleaseShop) -> None:
    before = shop.serving()
    shop.promote(shop.run("tuesday", seed=2, kept=("de-DE",)), day=1)
    release = shop.serving()
    assert before is not None
    assert release is not None
    old, new = (one.checkpoints[0].model for one in (before, release))
    models = {locale: release.checkpoint_of(locale).model for locale in LOCALES}  # type: ignore[union-attr]
    assert models == {"en-US": new, "en-GB": new, "de-DE": old}
    assert release.checkpoint_of("sv-SE").model == new  # type: ignore[union-attr]
    assert {answer.locale for answer in release.golden} == set(LOCALES)


def test_models_by_store_are_released_each(empty_shop: ReleaseShop) -> None:
    empty_shop.promote(empty_shop.run("monday", own=True))
    release = empty_shop.serving()
    assert release is not None
    assert {one.locales for one in release.checkpoints} == {(locale,) for locale in LOCALES}
    assert release.checkpoint_of("sv-SE") is None
    empty_shop.promote(empty_shop.run("tuesday", seed=2, kept=("en-GB",)), day=1)
    routed = empty_shop.serving()
    assert routed is not None
    assert routed.checkpoint_of("en-GB") == release.checkpoint_of("en-GB")


def test_a_candidate_without_a_store_that_is_served_is_refused(shop: ReleaseShop) -> None:
    with pytest.raises(PromotionRefusedError, match="v1 serves de-DE, for which the candidate has no trained model"):
        shop.promote(shop.run("tuesday", seed=2, locales=("en-US", "en-GB")))
    assert set(shop.refs()) & {"refs/tags/q2pt@v2.0.0", "refs/tags/q2pt#prod#2"} == set()


@pytest.mark.chaos("release-damaged")
@pytest.mark.parametrize("what", ["missing", "damaged"])
def test_files_that_the_store_lacks_are_not_promoted(shop: ReleaseShop, what: str) -> None:
    candidate = shop.run("tuesday", seed=2)
    model = shop.object(candidate.models.by_locale[""])
    if what == "missing":
        model.unlink()
    else:
        model.chmod(0o644)
        model.write_text("[]")
    with pytest.raises(StoreError, match="has no object" if what == "missing" else "is damaged"):
        shop.promote(candidate)
    assert _version(shop) == "v1"


def test_answers_that_differ_from_those_that_were_judged_are_not_promoted(
    shop: ReleaseShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        making,
        "golden_answers",
        lambda *given: tuple(replace(one, score=one.score - 0.1) for one in golden_answers(*given)),
    )
    with pytest.raises(GoldenAnswerError, match="its files are right, so the code that reads them differs"):
        shop.promote(shop.run("tuesday", seed=2))
    assert _version(shop) == "v1"


def test_a_rollback_to_files_that_are_gone_is_refused(shop: ReleaseShop) -> None:
    first = shop.serving()
    assert first is not None
    shop.promote(shop.run("tuesday", seed=2), day=1)
    shop.object(first.checkpoints[0].model).unlink()
    with pytest.raises(StoreError, match="has no object"):
        shop.roll_back()
    assert _version(shop) == "v2"


@pytest.mark.chaos("branch-moved")
def test_a_branch_that_somebody_moved_stops_promotions_and_not_those_who_read(shop: ReleaseShop) -> None:
    candidate = shop.run("tuesday", seed=2)
    run_git(Path(shop.url), "update-ref", "refs/heads/production", "refs/heads/main")
    with pytest.raises(RegistryError, match=r"the branch production is at .* somebody moved it"):
        shop.promote(candidate)
    assert _version(shop) == "v1"


@pytest.mark.parametrize(
    ("missing", "message"),
    [("q2pt@v1.0.0", "which no tag q2pt@... names"), ("q2pt#prod#1", "tag q2pt#prod#1 is missing")],
)
def test_a_tag_that_is_missing_is_named(shop: ReleaseShop, missing: str, message: str) -> None:
    shop.promote(shop.run("tuesday", seed=2), day=1)
    candidate = shop.run("wednesday", seed=3)
    if missing == "q2pt@v1.0.0":
        shop.roll_back(day=2)
    run_git(Path(shop.url), "update-ref", "-d", f"refs/tags/{missing}")
    before = shop.refs()
    with pytest.raises(RegistryError, match=message):
        shop.promote(candidate)
    assert shop.refs() == before


@pytest.mark.chaos("git-remote-down")
def test_an_unreachable_registry_is_named(shop: ReleaseShop) -> None:
    candidate = shop.run("tuesday", seed=2)
    Path(shop.url).rename(shop.folder / "elsewhere.git")
    with pytest.raises(GitError, match="git ls-remote failed"):
        shop.promote(candidate)


@pytest.mark.chaos("git-remote-refuses")
@pytest.mark.parametrize("refused", ["refs/heads/production", "refs/tags/q2pt#prod#2", "refs/tags/q2pt@v2.0.0"])
def test_a_refused_push_changes_nothing_that_serves_and_the_next_try_succeeds(shop: ReleaseShop, refused: str) -> None:
    candidate = shop.run("tuesday", seed=2)
    hook = Path(shop.url) / "hooks/update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntest \"$1\" != '{refused}'\n")
    hook.chmod(0o755)
    branch = shop.refs()["refs/heads/production"]
    with pytest.raises(GitError, match="git push failed"):
        shop.promote(candidate)
    assert (_version(shop), shop.refs()["refs/heads/production"]) == ("v1", branch)
    hook.unlink()
    assert shop.promote(candidate).version == "v2"


def test_gto_tells_the_same_in_a_clone(shop: ReleaseShop, tmp_path: Path) -> None:
    shop.promote(shop.run("tuesday", seed=2), day=1)
    # By a clock that is late.
    shop.roll_back(day=-3)
    run_git(tmp_path, "clone", "--quiet", shop.url, "clone")
    clone = str(tmp_path / "clone")
    assert [one["version"] for one in show(clone, "q2pt")] == ["v2.0.0", "v1.0.0"]
    assert list(get_stages(clone, used=True)) == ["prod"]
    (serving,) = show(clone, "q2pt#prod")
    assert (serving["version"], serving["commit_hexsha"]) == ("v1.0.0", shop.commit_of("v1"))


def test_the_history_tells_who_when_what_and_why(shop: ReleaseShop) -> None:
    shop.promote(shop.run("tuesday", seed=2), day=1)
    shop.roll_back(day=2)
    with shop.registry() as registry:
        moves = registry.moves(registry.refs(), PROD)
    assert [(move.kind, move.before, move.version) for move in moves] == [
        ("promotion", None, "v1"),
        ("promotion", "v1", "v2"),
        ("rollback", "v2", "v1"),
    ]
    assert moves[2].moment == MONDAY + timedelta(days=2)
    lines = to_lines(moves).splitlines()
    assert lines[0] == "3. 2026-12-02T02:00:00+00:00  rollback  v2 -> v1  by ann@desk"
    assert lines[1:3] == ["   shoppers complain", "   micro_recall 0.510"]
    assert "by Airflow run tuesday" in lines[4]


def test_a_store_that_has_closed_is_taken_out_and_a_run_without_it_may_promote(shop: ReleaseShop) -> None:
    with shop.registry() as registry:
        done = promotion.retire(registry, "de-DE", "ann@desk", "the store has closed", MONDAY)
    release = shop.serving()
    assert release is not None
    assert (done.version, release.version, release.locales) == ("v2", "v2", ("en-GB", "en-US"))
    assert {answer.locale for answer in release.golden} == {"en-GB", "en-US"}
    assert shop.promote(shop.run("tuesday", seed=2, locales=("en-US", "en-GB")), day=1).version == "v3"


def test_a_reason_that_would_move_the_terminal_of_who_reads_the_history_is_refused(shop: ReleaseShop) -> None:
    shop.promote(shop.run("tuesday", seed=2), day=1)
    before = shop.refs()
    with pytest.raises(PromotionRefusedError, match="has control characters: give text"):
        shop.roll_back(why="\x1b[2J\x1b[Hnothing happened")
    with shop.registry() as registry, pytest.raises(PromotionRefusedError, match="has control characters"):
        promotion.retire(registry, "de-DE", "ann@desk", "\x9b2J", MONDAY)
    assert shop.refs() == before


@pytest.mark.parametrize("locale", ["sv-SE", "", "de_DE"])
def test_a_store_that_is_not_served_cannot_be_taken_out(shop: ReleaseShop, locale: str) -> None:
    before = shop.refs()
    with shop.registry() as registry, pytest.raises(PromotionRefusedError, match="prod serves de-DE, en-GB, en-US"):
        promotion.retire(registry, locale, "ann@desk", "?", MONDAY)
    assert shop.refs() == before
