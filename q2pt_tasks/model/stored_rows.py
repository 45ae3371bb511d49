"""A matrix of scores that need not fit into memory."""

import contextlib
import tempfile
import weakref
from collections.abc import Iterable
from typing import IO

import numpy as np

from q2pt_tasks.model.examples import FloatMatrix

# What stays in memory; a larger matrix goes to a temporary file.
_BYTES_IN_MEMORY = 1 << 28


def _close(file: IO[bytes]) -> None:
    # On a full disk what waits to be written has nowhere to go, which whoever wrote it has been told.
    with contextlib.suppress(OSError):
        file.close()


class StoredRows:
    """Rows of float32, written once and read as often as they are asked for.

    Its file goes with it, or with `close`.

    Args:
        blocks: the rows, some at a time, all of the same width.
        width: columns.
    """

    def __init__(self, blocks: Iterable[FloatMatrix], width: int) -> None:
        self._width = width
        self._file = tempfile.SpooledTemporaryFile(max_size=_BYTES_IN_MEMORY)  # noqa: SIM115 - closed by `close`
        self.close = weakref.finalize(self, _close, self._file)
        for block in blocks:
            self._file.write(np.ascontiguousarray(block, dtype=np.float32).tobytes())

    def read(self, start: int, end: int) -> FloatMatrix:
        """The rows from `start` to before `end`, shape (rows, width)."""
        rows = np.empty((end - start, self._width), dtype=np.float32)
        self._file.seek(start * self._width * rows.itemsize)
        read = self._file.readinto(rows.data)
        if read != rows.nbytes:
            raise IndexError(f"rows {start} to {end} were asked for, and {read} of their {rows.nbytes} bytes are there")
        return rows
