"""What `git ls-remote` says of the registry, and what is none of it."""

import pytest

from q2pt_tasks.registry.tags import RegistryError, parse_refs, read_version

LISTING = """\
a0\trefs/heads/production
b0\trefs/heads/run/production
t1\trefs/tags/q2pt@v1.0.0
c1\trefs/tags/q2pt@v1.0.0^{}
t2\trefs/tags/q2pt@v2.0.0
c2\trefs/tags/q2pt@v2.0.0^{}
c3\trefs/tags/q2pt@v3.0.0
c9\trefs/tags/q2pt@v4.1.0^{}
c9\trefs/tags/q2pt@v5.0.0!^{}
t3\trefs/tags/q2pt#prod#9
c2\trefs/tags/q2pt#prod#9^{}
t4\trefs/tags/q2pt#prod#10
c1\trefs/tags/q2pt#prod#10^{}
c9\trefs/tags/q2pt#staging#1^{}
c9\trefs/tags/other#prod#11^{}
"""


def test_annotated_tags_of_ours_count_and_nothing_else() -> None:
    refs = parse_refs(LISTING)
    assert refs.production == "a0"
    assert refs.versions == {"v1": "c1", "v2": "c2"}
    assert refs.moves == {"prod": {9: "c2", 10: "c1"}, "staging": {1: "c9"}}


def test_the_last_move_serves_by_its_number() -> None:
    refs = parse_refs(LISTING)
    assert refs.serving("prod") == "v1"
    assert (refs.next_move("prod"), refs.next_move("canary"), refs.next_version()) == (11, 1, "v3")
    assert refs.serving("canary") is None


def test_a_stage_at_no_version_is_an_error() -> None:
    with pytest.raises(RegistryError, match="q2pt#staging#1 is on the commit c9, which no tag"):
        parse_refs(LISTING).serving("staging")


def test_a_version_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(RegistryError, match="no release v7 is registered, but v1, v2"):
        parse_refs(LISTING).commit_of("v7")


@pytest.mark.parametrize(
    ("text", "version"),
    [("v3", "v3"), ("v3.0.0", "v3"), ("v12", "v12"), ("3", None), ("v0", None), ("v3.1.0", None), ("prod", None)],
)
def test_a_version_is_spoken_in_two_ways(text: str, version: str | None) -> None:
    assert read_version(text) == version
