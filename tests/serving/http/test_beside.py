"""Two releases at once: one serves, the other answers where it is named, and a change of either is a change."""

import asyncio
from pathlib import Path

import pytest
from checkpoints import exact_predictor
from http_service import turn

from q2pt_tasks.model.metadata import CheckpointError
from q2pt_tasks.serving.http.beside import SideBySide
from q2pt_tasks.serving.http.directories import DirectoryReleases
from q2pt_tasks.serving.http.documents import Question
from q2pt_tasks.serving.http.limits import Limits
from q2pt_tasks.serving.http.loaded import LoadedRelease
from q2pt_tasks.serving.http.service import Service


def _both(place: Path, other: Path) -> SideBySide:
    return SideBySide(DirectoryReleases(place), DirectoryReleases(other))


def test_the_champion_serves_and_each_answers_by_its_own_checkpoint(place: Path, models: Path) -> None:
    turn(place, "second")
    release = _both(place, models).current()
    assert release.serving == "champion"
    assert list(release.models) == ["champion", "challenger"]
    assert release.models["champion"].checkpoint_of("en-GB") == place.resolve()
    # The one of the run that would serve.
    assert release.models["challenger"].checkpoint_of("en-GB") == models / "unified_aware"
    service = Service(LoadedRelease.load(release), Limits())

    async def ask() -> list[tuple[str, float]]:
        async with service.batcher.running():
            questions = [
                Question(query="red hat", locale="en-GB", model=model, near_misses=20) for model in (None, "challenger")
            ]
            answers = await service.answer(questions)
            return [
                (one.model, max(found.score for found in (*one.product_types, *one.near_misses))) for one in answers
            ]

    asked = asyncio.run(ask())
    assert [model for model, _ in asked] == ["champion", "challenger"]
    exact = [exact_predictor(folder).scores(["red hat"], "en-GB").max() for folder in (place, models / "unified_aware")]
    assert [score for _, score in asked] == pytest.approx(exact, abs=0.05)
    assert abs(exact[0] - exact[1]) > 0.1, "two that answer alike would show nothing"


def test_it_is_another_release_when_either_side_is(place: Path, models: Path) -> None:
    first = [_both(place, models).current().version, _both(models, place).current().version]
    turn(place, "second")
    then = [_both(place, models).current().version, _both(models, place).current().version]
    assert len({*first, *then}) == 4


def test_without_one_of_them_there_is_none(place: Path, tmp_path: Path) -> None:
    for both in (_both(place, tmp_path / "nowhere"), _both(tmp_path / "nowhere", place)):
        with pytest.raises(CheckpointError, match="holds no trained checkpoint"):
            both.current()
