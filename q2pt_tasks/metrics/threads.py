"""Blocks of a stream shared among threads: numpy computes without Python's lock, so they run side by side."""

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Block = TypeVar("Block")


def share(blocks: Iterable[Block], workers: Sequence[Callable[[int, Block], None]]) -> None:
    """Every block goes, with its number, to the worker that is free first; each has a thread, and a block at a time.

    Raises:
        Exception: what a worker or the stream raised first; no block is asked for after that.
    """
    numbered, lock, failed = enumerate(blocks), threading.Lock(), threading.Event()

    def work_on_next(worker: Callable[[int, Block], None]) -> bool:
        # A stream gives one block at a time; its reading overlaps with the others' work.
        with lock:
            found = next(numbered, None)
        if found is not None:
            worker(*found)
        return found is not None

    def work(worker: Callable[[int, Block], None]) -> None:
        try:
            # In a function of its own, so that a block is gone before the next one is asked for.
            while not failed.is_set() and work_on_next(worker):
                pass
        except BaseException:
            failed.set()
            raise

    with ThreadPoolExecutor(len(workers)) as pool:
        for done in [pool.submit(work, worker) for worker in workers]:
            done.result()
