"""The folder that predictions are written to: one run at a time, every file whole or not there.

A name that starts with `_` or `.` is not read by what reads a folder of Parquet files.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from q2pt_tasks.serving.manifest import Manifest, ManifestError, Part, differences, from_json, to_json

MANIFEST = "_predict.json"
# There once every part is, as Hadoop and Spark mark a finished folder.
FINISHED = "_SUCCESS"

_ELSEWHERE = "another --output, or remove this folder"


class OutputError(ValueError):
    """Predictions cannot be written to a folder as it is."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Creates the folder and keeps other runs out of it; the system ends that with the process, however it ends.

    Raises:
        OutputError: it cannot be created, or another run is at work in it.
    """
    with _writable(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY)
    try:
        _lock(lock, folder)
        yield
    finally:
        os.close(lock)


def _lock(opened: int, folder: Path) -> None:
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OutputError(f"another run writes to {folder}: wait for its end, or give another --output") from None


def is_begun(folder: Path, manifest: Manifest) -> bool:
    """Whether the folder holds the beginning of this run; not where it is empty.

    Raises:
        OutputError: it holds another run's, or something else.
    """
    own: set[str] = set()
    if begun := (folder / MANIFEST).exists():
        _refuse_another_run(folder, manifest)
        own = {MANIFEST, FINISHED, *(part.name for part in manifest.parts)}
    shown = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    if strangers := [name for name in shown if name not in own]:
        raise OutputError(f"{folder} holds {strangers[0]}, which is not of this run: give {_ELSEWHERE}")
    return begun


def _refuse_another_run(folder: Path, manifest: Manifest) -> None:
    file = folder / MANIFEST
    try:
        others = differences(from_json(file.read_text(encoding="utf-8")), manifest)
    except (ManifestError, UnicodeDecodeError) as error:
        raise OutputError(f"{file} cannot be read ({error}): give {_ELSEWHERE}") from None
    if others:
        raise OutputError(
            f"{folder} was begun by another run: {'; '.join(others)}: give what it was begun with, {_ELSEWHERE}"
        )


def missing_parts(folder: Path, manifest: Manifest) -> list[Part]:
    """The parts that are not there yet.

    Raises:
        OutputError: a part is damaged.
    """
    return [part for part in manifest.parts if not _is_there(folder / part.name, part)]


def _is_there(file: Path, part: Part) -> bool:
    if not file.exists():
        return False
    try:
        rows = pq.read_metadata(file).num_rows
    except (pa.ArrowException, OSError) as error:
        raise OutputError(f"{file} is not readable Parquet ({error}): remove it and run again") from error
    if rows != part.rows:
        raise OutputError(f"{file} has {rows} rows, expected {part.rows}: remove it and run again")
    return True


def begin(folder: Path, manifest: Manifest) -> None:
    """Writes the manifest; what is unfinished is no longer marked as finished."""
    with _writable(folder):
        (folder / FINISHED).unlink(missing_ok=True)
        unfinished = _unfinished(folder / MANIFEST)
        unfinished.write_text(to_json(manifest), encoding="utf-8")
        _put(unfinished, folder / MANIFEST)


def write_part(table: pa.Table, file: Path) -> None:
    """Writes a part under its name in one step: a process that is killed leaves no half of it."""
    with _writable(file):
        unfinished = _unfinished(file)
        pq.write_table(table, unfinished, compression="zstd")
        _put(unfinished, file)


def finish(folder: Path) -> None:
    """Marks the folder as finished."""
    with _writable(folder):
        (folder / FINISHED).touch()


def _unfinished(file: Path) -> Path:
    """Where a file is written before it has its name; nothing is there, not even a link to somewhere else."""
    unfinished = file.with_name(f".{file.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    return unfinished


def _put(unfinished: Path, file: Path) -> None:
    """Renames, once the bytes are on the disk: a name must not outlive them when the machine fails."""
    _sync(unfinished)
    os.replace(unfinished, file)
    _sync(file.parent)


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written ({error}): make it possible and run again, the parts that are there stay"
        ) from error
