"""Questions that wait go together.

While some questions are being scored, others arrive; when the thread that scores is free again, it takes what is there.
So one question alone waits for nobody, and under load a network reads its weights once for many.
"""

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from q2pt_tasks.model.prediction import Predictor
from q2pt_tasks.serving.http.answering import Asked, answer
from q2pt_tasks.serving.http.documents import Answer
from q2pt_tasks.serving.http.limits import Limits

# How much the last batch counts in the rate at which questions are answered.
_NEWEST = 0.2
_LONGEST_RETRY_SECONDS = 30


class OverloadedError(ValueError):
    """So many questions wait that no more are taken.

    Attributes:
        retry_after: seconds after which those that wait should be answered.
    """

    def __init__(self, waiting: int, retry_after: int) -> None:
        super().__init__(f"{waiting} questions are waiting, no more are taken: ask again in {retry_after} s")
        self.retry_after = retry_after


@dataclass(frozen=True)
class _Waiting:
    asked: Asked
    answer: asyncio.Future[Answer]


class Batcher:
    """Answers the questions of many requests, those of one predictor together."""

    def __init__(self, limits: Limits, observe: Callable[[int, float], object]) -> None:
        """Of a service within `limits`; `observe` is told of each batch how many questions and seconds it took."""
        self._limits, self._observe = limits, observe
        self._waiting: dict[Predictor, deque[_Waiting]] = {}
        self._arrived = asyncio.Event()
        self._rate = 0.0
        self.admitted = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Questions are answered as long as this is open."""
        with ThreadPoolExecutor(1, "answers") as thread:
            worker = asyncio.create_task(self._run(thread))
            try:
                yield
            finally:
                worker.cancel()
                await asyncio.wait([worker])

    @property
    def is_full(self) -> bool:
        """Whether a question would be refused."""
        return self.admitted >= self._limits.waiting

    async def ask(self, asked: Sequence[Asked]) -> list[Answer]:
        """The answers to the questions of one request, in their order.

        Long lists are given in piece by piece, so that others' single questions come in between.

        Raises:
            OverloadedError: with these, more questions than allowed would wait; none of them is asked.
        """
        self._admit(len(asked))
        left, answers = len(asked), list[Answer]()
        try:
            for start in range(0, len(asked), self._limits.together):
                piece = asked[start : start + self._limits.together]
                answers += await asyncio.gather(*map(self._enqueue, piece))
                left -= len(piece)
                self.admitted -= len(piece)
        finally:
            self.admitted -= left
        return answers

    def _admit(self, count: int) -> None:
        if self.admitted + count > self._limits.waiting:
            seconds = math.ceil(self.admitted / self._rate) if self._rate else 1
            raise OverloadedError(self.admitted, min(max(seconds, 1), _LONGEST_RETRY_SECONDS))
        self.admitted += count

    def _enqueue(self, asked: Asked) -> asyncio.Future[Answer]:
        waiting = _Waiting(asked, asyncio.get_running_loop().create_future())
        self._waiting.setdefault(asked.predictor, deque()).append(waiting)
        self._arrived.set()
        return waiting.answer

    async def _run(self, thread: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._arrived.wait()
            batch = self._take()
            started = time.monotonic()
            try:
                answers = await loop.run_in_executor(thread, answer, [one.asked for one in batch])
            except Exception as error:  # these requests fail with it; the next ones must not
                _fail(batch, error)
                continue
            self._note(len(batch), time.monotonic() - started)
            for one, found in zip(batch, answers, strict=True):
                # Who asked may be gone.
                if not one.answer.done():
                    one.answer.set_result(found)

    def _take(self) -> list[_Waiting]:
        """The questions that are scored next: of the predictors that are asked, each has its turn."""
        predictor = next(iter(self._waiting))
        queue = self._waiting.pop(predictor)
        batch = [queue.popleft() for _ in range(min(len(queue), self._limits.together))]
        if queue:
            self._waiting[predictor] = queue
        if not self._waiting:
            self._arrived.clear()
        return batch

    def _note(self, count: int, seconds: float) -> None:
        rate = count / max(seconds, 1e-6)
        self._rate = rate if not self._rate else (1 - _NEWEST) * self._rate + _NEWEST * rate
        self._observe(count, seconds)


def _fail(batch: Sequence[_Waiting], error: Exception) -> None:
    for one in batch:
        if not one.answer.done():
            one.answer.set_exception(error)
