"""A release says the same after a round through JSON, and never half of it."""

import hashlib
import json
from dataclasses import replace

import pytest

from q2pt_tasks.registry.release import (
    GoldenAnswer,
    Release,
    ReleasedCheckpoint,
    ReleaseError,
    Store,
    directories,
    parse_release,
    place,
    route,
)


def _directory(name: str) -> str:
    """A hash as DVC gives it to a directory."""
    return f"{hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()}.dir"


def _checkpoint(name: str, *locales: str, others: bool = False, encoder: str | None = None) -> ReleasedCheckpoint:
    return ReleasedCheckpoint(
        variant="unified_aware" if others else "non_unified",
        since="v1",
        model=_directory(name),
        encoder=encoder,
        hash=f"hash of {name}",
        locales=locales,
        others=others,
    )


ALL = _checkpoint("all", "en-US", "de-DE", others=True)
RELEASE = Release(
    version="v2",
    created="2026-11-30T02:00:00+00:00",
    run="scheduled__2026",
    commit="c" * 40,
    by="Airflow run scheduled__2026",
    why="Promote: it is better.",
    variant="unified_aware",
    last_day="2026-11-29",
    judged_against="v1",
    figures={"micro_recall": 0.6, "macro_recall": None},
    checkpoints=(ALL,),
    store=Store("s3://bucket/data", "http://store:9000"),
    golden=(GoldenAnswer("en-US", "für damen", "HAT", 0.25),),
)


def test_a_release_is_the_same_after_a_round_through_json() -> None:
    assert parse_release(RELEASE.to_text()) == RELEASE
    assert json.loads(RELEASE.to_text())["hash"] == RELEASE.hash


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hash": "0" * 64}, "changed by hand"),
        ({"version": 2}, "version: Input should be a valid string"),
        ({"stage": "prod"}, "stage: Unexpected keyword argument"),
        ({"checkpoints": []}, "found none"),
        ({"figures": {"micro_recall": "high"}}, r"figures\.micro_recall"),
    ],
)
def test_another_document_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ReleaseError, match=message):
        parse_release(json.dumps({**json.loads(RELEASE.to_text()), **change}))


@pytest.mark.parametrize("name", ["../../x", "/etc", "..", "", "A" * 32, "a" * 32, f"{'a' * 32}.dir\n", "b/.dir"])
@pytest.mark.parametrize("key", ["model", "encoder"])
def test_a_checkpoint_is_named_by_a_hash_alone(name: str, key: str) -> None:
    document = json.loads(RELEASE.to_text())
    document["checkpoints"][0][key] = name
    with pytest.raises(ReleaseError, match=rf"checkpoints\.0\.{key}: String should match pattern"):
        parse_release(json.dumps(document))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"version": null}'])
def test_what_is_no_release_is_refused(text: str) -> None:
    with pytest.raises(ReleaseError):
        parse_release(text)


def test_another_store_in_another_place_is_another_hash_and_another_story_is_not() -> None:
    moved = replace(RELEASE, checkpoints=(replace(ALL, locales=("en-US",)), _checkpoint("own", "de-DE")))
    assert moved.hash != RELEASE.hash
    assert replace(RELEASE, version="v3", why="again", store=Store("elsewhere")).hash == RELEASE.hash
    assert replace(RELEASE, checkpoints=(replace(ALL, locales=("de-DE", "en-US")),)).hash == RELEASE.hash


@pytest.mark.parametrize(
    "checkpoints",
    [(ALL, _checkpoint("own", "de-DE")), (ALL, _checkpoint("more", "fr-FR", others=True)), ()],
)
def test_a_store_has_one_checkpoint(checkpoints: tuple[ReleasedCheckpoint, ...]) -> None:
    with pytest.raises(ReleaseError, match="must name one checkpoint per store"):
        replace(RELEASE, checkpoints=checkpoints)


def test_a_store_that_is_not_named_goes_to_the_model_of_all_or_to_none() -> None:
    own = replace(RELEASE, checkpoints=(_checkpoint("a", "en-US"), _checkpoint("b", "de-DE")))
    assert own.checkpoint_of("de-DE") == _checkpoint("b", "de-DE")
    assert own.checkpoint_of("sv-SE") is None
    assert RELEASE.checkpoint_of("sv-SE") == ALL


def test_models_of_one_encoder_lie_beside_it() -> None:
    e, a, b, whole = (_directory(name) for name in ("e", "a", "b", "all"))
    one, two = (_checkpoint(name, name, encoder=e) for name in ("a", "b"))
    release = replace(RELEASE, checkpoints=(one, two, replace(ALL, locales=("en-US",))))
    assert directories(release) == {
        f"{e[:-4]}/data/encoder": e,
        f"{e[:-4]}/{a[:-4]}": a,
        f"{e[:-4]}/{b[:-4]}": b,
        f"whole/{whole[:-4]}": whole,
    }
    assert place(one) == f"{e[:-4]}/{a[:-4]}"


def test_stores_stay_where_they_were() -> None:
    new = _checkpoint("new", "en-US", "de-DE", others=True)
    assert route([new], [ALL], []) == (new,)
    assert route([new], [ALL], ["de-DE"]) == (
        replace(new, locales=("en-US",)),
        replace(ALL, locales=("de-DE",), others=False),
    )


def test_a_store_cannot_stay_where_nothing_served_it() -> None:
    with pytest.raises(ReleaseError, match="fr-FR cannot stay"):
        route([ALL], [ALL], ["fr-FR"])
