"""Blocks shared among threads: each once, and the first error ends all."""

import threading
from collections.abc import Iterator

import pytest

from q2pt_tasks.metrics.threads import share


def test_every_block_goes_to_one_worker_with_its_number() -> None:
    seen: list[list[tuple[int, str]]] = [[], [], []]
    share("abcdefghij", [lambda number, block, own=own: own.append((number, block)) for own in seen])  # type: ignore[misc]
    assert sorted(pair for own in seen for pair in own) == list(enumerate("abcdefghij"))


def test_workers_run_side_by_side() -> None:
    both = threading.Barrier(2, timeout=20)

    def wait(_: int, __: int) -> None:
        both.wait()

    share([1, 2], [wait, wait])


def test_what_a_worker_raises_ends_all() -> None:
    asked: list[int] = []

    def blocks() -> Iterator[int]:
        for number in range(1000):
            asked.append(number)
            yield number

    def refuse(_: int, block: int) -> None:
        raise ValueError(f"no {block}")

    with pytest.raises(ValueError, match=r"no \d"):
        share(blocks(), [refuse, refuse])
    assert len(asked) <= 2


def test_what_the_stream_raises_is_raised() -> None:
    def blocks() -> Iterator[int]:
        yield 1
        raise ValueError("the file ends here")

    with pytest.raises(ValueError, match="ends here"):
        share(blocks(), [lambda *_: None] * 2)
