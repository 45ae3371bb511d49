"""What waits goes together, what is too much is refused, and nobody waits for long lists of others."""

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from q2pt_tasks.model.answers import Judged
from q2pt_tasks.model.prediction import Predictor
from q2pt_tasks.serving.http.answering import Asked
from q2pt_tasks.serving.http.batcher import Batcher, OverloadedError
from q2pt_tasks.serving.http.documents import Question
from q2pt_tasks.serving.http.limits import Limits

LIMITS = Limits(waiting=1000, together=32)


class Held(Predictor):
    """A predictor that begins to answer when it is let go, and notes what it is asked at once."""

    gate: threading.Event
    asked: list[list[str]]

    def judge(self, queries: Sequence[str], locales: Sequence[str]) -> Judged:
        self.asked.append(list(queries))
        assert self.gate.wait(60)
        return super().judge(queries, locales)


@pytest.fixture
def held(aware: Path) -> Held:
    predictor = Held.load(aware)
    predictor.gate, predictor.asked = threading.Event(), []
    return predictor


def questions(predictor: Predictor, count: int, name: str = "q", locale: str = "en-GB") -> list[Asked]:
    return [
        Asked(Question(query=f"{name}{number}", locale=locale), predictor, "model", "release")
        for number in range(count)
    ]


async def begun(predictor: Held, count: int = 1) -> None:
    """Returns when the predictor has been asked as often as this."""
    while len(predictor.asked) < count:
        await asyncio.sleep(0.001)


def test_one_alone_does_not_wait_and_those_that_wait_go_together(held: Held) -> None:
    async def story() -> None:
        batcher = Batcher(LIMITS, lambda *_: None)
        async with batcher.running():
            first = asyncio.create_task(batcher.ask(questions(held, 1, "first")))
            await begun(held)
            others = [asyncio.create_task(batcher.ask(questions(held, 1, f"other{number}-"))) for number in range(5)]
            await asyncio.sleep(0.05)
            held.gate.set()
            answers = [(await task)[0].query for task in (first, *others)]
        assert answers == ["first0", *(f"other{number}-0" for number in range(5))]

    asyncio.run(story())
    assert held.asked == [["first0"], [f"other{number}-0" for number in range(5)]]


def test_a_single_question_comes_in_between_a_long_list(held: Held) -> None:
    async def story() -> None:
        batcher = Batcher(LIMITS, lambda *_: None)
        async with batcher.running():
            many = asyncio.create_task(batcher.ask(questions(held, 200, "many")))
            await begun(held)
            single = asyncio.create_task(batcher.ask(questions(held, 1, "single")))
            await asyncio.sleep(0.05)
            held.gate.set()
            await single
            assert not many.done()
            assert [answer.query for answer in await many] == [f"many{number}" for number in range(200)]
        assert batcher.admitted == 0

    asyncio.run(story())
    assert "single0" in held.asked[1]
    assert max(map(len, held.asked)) <= LIMITS.together


def test_predictors_have_their_turns(held: Held, aware: Path) -> None:
    other = Held.load(aware)
    other.gate, other.asked = held.gate, held.asked

    async def story() -> None:
        batcher = Batcher(LIMITS, lambda *_: None)
        async with batcher.running():
            tasks = [asyncio.create_task(batcher.ask(questions(held, 1, "first")))]
            await begun(held)
            tasks += [asyncio.create_task(batcher.ask(questions(held, 30, name))) for name in ("a", "b")]
            tasks.append(asyncio.create_task(batcher.ask(questions(other, 1, "other"))))
            await asyncio.sleep(0.05)
            held.gate.set()
            await asyncio.gather(*tasks)

    asyncio.run(story())
    assert [len(batch) for batch in held.asked] == [1, 32, 1, 28]
    assert held.asked[2] == ["other0"]


def test_what_is_too_much_is_refused_whole_and_room_comes_back(held: Held) -> None:
    async def story() -> None:
        batcher = Batcher(LIMITS, lambda *_: None)
        async with batcher.running():
            many = asyncio.create_task(batcher.ask(questions(held, 999)))
            await begun(held)
            with pytest.raises(OverloadedError, match="999 questions are waiting") as refused:
                await batcher.ask(questions(held, 2, "late"))
            assert refused.value.retry_after >= 1
            assert not batcher.is_full
            one = asyncio.create_task(batcher.ask(questions(held, 1, "last")))
            await asyncio.sleep(0)
            assert batcher.is_full
            held.gate.set()
            await asyncio.gather(many, one)
            await batcher.ask(questions(held, 1000))
        assert batcher.admitted == 0

    asyncio.run(story())
    assert not any(query.startswith("late") for batch in held.asked for query in batch)


def test_who_goes_away_takes_nobody_along(held: Held) -> None:
    async def story() -> None:
        batcher = Batcher(LIMITS, lambda *_: None)
        async with batcher.running():
            gone = asyncio.create_task(batcher.ask(questions(held, 40, "gone")))
            await begun(held)
            stays = asyncio.create_task(batcher.ask(questions(held, 1, "stays")))
            await asyncio.sleep(0.01)
            gone.cancel()
            held.gate.set()
            assert (await stays)[0].query == "stays0"
        assert batcher.admitted == 0

    asyncio.run(story())
