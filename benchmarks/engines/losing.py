"""A machine of Spark's that is lost while it works."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from process_family import Process, family, kill

_POLL_SECONDS = 0.05
_EXECUTOR = b"org.apache.spark.executor.CoarseGrainedExecutorBackend"


@contextmanager
def lost_executor(root: int, is_time: Callable[[], bool]) -> Iterator[list[Process]]:
    """Kills one executor of Spark's below the process `root` as soon as there is one and it `is_time`.

    Yields:
        The executor that was killed, once it was; it stays empty where the work was done before.
    """
    killed: list[Process] = []
    done = threading.Event()

    def watch() -> None:
        while not done.is_set() and not killed:
            found = executors(root) if is_time() else []
            if found:
                kill(found[:1])
                killed.append(found[0])
            time.sleep(_POLL_SECONDS)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield killed
    finally:
        done.set()
        watching.join()


def executors(root: int) -> list[Process]:
    """The executors among the processes that `root` has started, directly or not."""
    return [process for process in family(root) if _EXECUTOR in _command(process)]


def _command(process: Process) -> bytes:
    try:
        return Path(f"/proc/{process.pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def has_files(folder: Path) -> bool:
    """Whether a stage has begun to write below `folder`."""
    return any(file.suffix == ".parquet" for file in folder.rglob("*"))
