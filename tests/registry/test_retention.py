"""Whatever the releases, runs and objects are: nothing that is kept loses anything, and the rest goes."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from q2pt_tasks.registry.retention import (
    Named,
    Output,
    Policy,
    Result,
    RetentionParams,
    Stored,
    in_order,
    judge,
    kept_versions,
    old_runs,
    unneeded,
    unneeded_results,
    with_files,
)
from q2pt_tasks.registry.tags import Refs

NOW = datetime(2026, 11, 28, tzinfo=UTC)
GRACE = timedelta(days=7)
PATHS = ("data/raw", "models/m", "metrics.json")
FILES = [f"file{number}" for number in range(8)]
FOLDERS = [f"folder{number}.dir" for number in range(4)]

moments = st.integers(0, 60).map(lambda days: NOW - timedelta(days=days))
outputs = st.builds(Output, st.sampled_from(PATHS), st.sampled_from(FILES + FOLDERS))
named = st.builds(Named, st.just("a night"), moments, st.frozensets(outputs, max_size=4))
objects = st.dictionaries(st.sampled_from(FILES + FOLDERS), st.builds(Stored, st.just(1), moments))
listings = st.fixed_dictionaries({folder: st.frozensets(st.sampled_from(FILES), max_size=4) for folder in FOLDERS})
policies = st.builds(
    Policy,
    releases=st.just(1),
    grace=st.just(GRACE),
    retention=st.none() | st.integers(7, 60).map(lambda days: timedelta(days=days)),
    bear_queries=st.just(frozenset({"data/raw"})),
)


def _since(stored: dict[str, Stored]) -> dict[str, datetime]:
    return {md5: one.modified for md5, one in stored.items()}


@settings(deadline=None)
@given(keep=st.lists(named, max_size=5), stored=objects, files=listings, policy=policies)
def test_nothing_that_is_kept_loses_weights_or_metrics(
    keep: list[Named], stored: dict[str, Stored], files: dict[str, frozenset[str]], policy: Policy
) -> None:
    kept = judge(keep, _since(stored), policy, NOW).kept
    leaving = unneeded(stored, with_files(kept, files), NOW - GRACE)
    for night in keep:
        for output in night.outputs:
            if output.path != "data/raw" or policy.retention is None or night.made >= NOW - GRACE:
                assert not leaving & {output.md5, *files.get(output.md5, ())}


@settings(deadline=None)
@given(keep=st.lists(named, max_size=5), stored=objects, files=listings, policy=policies)
def test_all_else_that_is_not_new_goes_and_then_there_is_nothing_to_do(
    keep: list[Named], stored: dict[str, Stored], files: dict[str, frozenset[str]], policy: Policy
) -> None:
    kept = judge(keep, _since(stored), policy, NOW).kept
    needed = with_files(kept, files)
    leaving = unneeded(stored, needed, NOW - GRACE)
    left = {md5: one for md5, one in stored.items() if md5 not in leaving}
    assert all(md5 in needed or one.modified >= NOW - GRACE for md5, one in left.items())
    assert all(stored[md5].modified < NOW - GRACE for md5 in leaving)
    assert not unneeded(left, needed, NOW - GRACE)


@settings(deadline=None)
@given(keep=st.lists(named, max_size=5), stored=objects, policy=policies)
def test_queries_expire_once_they_are_old_and_out_of_use(
    keep: list[Named], stored: dict[str, Stored], policy: Policy
) -> None:
    verdict = judge(keep, _since(stored), policy, NOW)
    assert verdict.kept | verdict.expired == {output for night in keep for output in night.outputs}
    for output in {output for night in keep for output in night.outputs if output.path == "data/raw"}:
        ages = [NOW - night.made for night in keep if output.md5 in {one.md5 for one in night.outputs}]
        ages_stored = [NOW - stored[output.md5].modified] if output.md5 in stored else []
        over = policy.retention is not None and max([*ages, *ages_stored]) > policy.retention and min(ages) > GRACE
        assert (output in verdict.expired) == over
    assert all(output.path == "data/raw" for output in verdict.expired)


@given(st.sets(st.sampled_from(FILES + FOLDERS)))
def test_a_manifest_goes_before_its_files(hashes: set[str]) -> None:
    manifests, files = in_order(hashes)
    assert {*manifests, *files} == hashes
    assert all(md5.endswith(".dir") for md5 in manifests)
    assert not any(md5.endswith(".dir") for md5 in files)


def test_the_newest_releases_stay_with_what_serves_and_what_served_before() -> None:
    versions = {f"v{number}": f"commit{number}" for number in range(1, 12)}
    moves = {"prod": {1: "commit1", 2: "commit4", 3: "commit3", 4: "commit4"}}
    refs = Refs(None, versions, moves)
    assert kept_versions(refs, 2) == {"v10", "v11", "v3", "v4"}


def test_the_runs_of_what_is_kept_and_those_that_may_go_on_keep_their_branches() -> None:
    branches = {"run/old": "a", "run/released": "b", "run/tonight": "c", "main": "d"}
    made = {"a": NOW - timedelta(days=30), "b": NOW - timedelta(days=30), "c": NOW}
    assert old_runs(branches, made, {"b"}, NOW - GRACE) == {"run/old"}


def test_a_result_goes_that_could_not_be_restored() -> None:
    old = Stored(1, NOW - timedelta(days=30))
    whole = Result("k", "1", frozenset({Output("a", "kept")}))
    half = Result("k", "2", frozenset({Output("a", "kept"), Output("b", "leaving")}))
    fresh = Result("k", "3", frozenset({Output("b", "leaving")}))
    listed = {whole: old, half: old, fresh: Stored(1, NOW)}
    assert unneeded_results(listed, {"kept"}, NOW - GRACE) == {half}


def test_queries_are_not_kept_for_less_than_runs_in_progress_need() -> None:
    assert RetentionParams(releases=1, grace_days=7, retention_days=7).retention_days == 7
    with pytest.raises(ValueError, match="at least grace_days, which is 7, or null"):
        RetentionParams(releases=1, grace_days=7, retention_days=6)
