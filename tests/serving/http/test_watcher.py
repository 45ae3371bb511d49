"""A newly promoted release takes the place of the one that serves, or does not."""

import asyncio
import json
from pathlib import Path

import pytest
from http_service import turn

from q2pt_tasks.serving.http.directories import DirectoryReleases
from q2pt_tasks.serving.http.documents import Question
from q2pt_tasks.serving.http.limits import Limits
from q2pt_tasks.serving.http.loaded import LoadedRelease
from q2pt_tasks.serving.http.service import Service
from q2pt_tasks.serving.http.watcher import Watcher

QUESTIONS = [Question(query="red hat", locale="en-GB")]


def watched(place: Path) -> tuple[Service, Watcher]:
    releases = DirectoryReleases(place)
    service = Service(LoadedRelease.load(releases.current()), Limits())
    return service, Watcher(releases, service, 3600)


def test_another_release_serves_from_the_next_look_on(place: Path) -> None:
    service, watcher = watched(place)

    async def story() -> None:
        async with service.batcher.running():
            (before,) = await service.answer(QUESTIONS)
            await watcher.look()
            assert service.loaded.release.version == before.release
            turn(place, "second")
            await watcher.look()
            (after,) = await service.answer(QUESTIONS)
            assert after.release == DirectoryReleases(place).current().version != before.release
            assert after.product_types != before.product_types

    asyncio.run(story())
    assert b"q2pt_switches_total 1.0" in service.figures.text()


def test_what_was_asked_before_is_answered_by_the_release_that_it_came_to(place: Path) -> None:
    service, watcher = watched(place)

    async def story() -> None:
        first = service.loaded.release.version
        early = asyncio.create_task(service.answer(QUESTIONS * 500))
        await asyncio.sleep(0)
        turn(place, "second")
        await watcher.look()
        async with service.batcher.running():
            (late,) = await service.answer(QUESTIONS)
            assert {answer.release for answer in await early} == {first}
            assert late.release != first

    asyncio.run(story())


@pytest.mark.parametrize("damage", ["no metadata", "no weights", "other version", "gone"])
def test_a_release_that_cannot_be_loaded_leaves_the_old_one(
    place: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    service, watcher = watched(place)
    second = place.parent / "second"
    if damage == "no metadata":
        (second / "metadata.json").unlink()
    if damage == "no weights":
        (second / "model.safetensors").write_bytes(b"")
    if damage == "other version":
        document = json.loads((second / "metadata.json").read_text())
        (second / "metadata.json").write_text(json.dumps({**document, "schema_version": 99}))
    turn(place, "nowhere" if damage == "gone" else "second")
    first = service.loaded

    async def story() -> None:
        for _ in range(2):
            await watcher.look()
        async with service.batcher.running():
            (answer,) = await service.answer(QUESTIONS)
            assert answer.release == first.release.version

    asyncio.run(story())
    assert service.loaded is first
    assert b"q2pt_failed_switches_total 2.0" in service.figures.text()
    assert len([record for record in caplog.records if "goes on serving" in record.getMessage()]) == 1
