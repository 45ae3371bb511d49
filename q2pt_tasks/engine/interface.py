"""What the data stages ask of an engine: tables as lazy frames, and what narwhals has no words for.

The rooms in `data/` see narwhals frames only. Frames that are kept, rows that come in batches and text functions of
Python's are said in the engine's own words, once per engine.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import narwhals as nw
import pyarrow as pa

from q2pt_tasks.threads import THREADS

Frame = nw.LazyFrame[Any]
Item = TypeVar("Item")
Result = TypeVar("Result")


class Engine(ABC):
    """Computes frames. Those of one engine can be joined with each other, not with those of another.

    Attributes:
        errors: what it raises when a file is not what it should be.
    """

    errors: ClassVar[tuple[type[Exception], ...]]

    @abstractmethod
    def scan(self, files: Iterable[Path]) -> Frame:
        """The rows of Parquet `files`, in no particular order."""

    @abstractmethod
    def stream(self, file: Path) -> Frame:
        """The rows of an Arrow stream in a file, in no particular order, as a frame that can be computed once."""

    @abstractmethod
    def frame(self, table: pa.Table) -> Frame:
        """A small table in memory as a frame of this engine."""

    def scan_any(self, files: Sequence[Path], schema: pa.Schema) -> Frame:
        """The rows of Parquet `files` of `schema`, of which there may be none."""
        return self.scan(files) if files else self.frame(schema.empty_table())

    @abstractmethod
    def keep(self, frame: Frame) -> Frame:
        """`frame`, computed once: for one that is read more than once. It is kept until `drop` or the engine's end."""

    @abstractmethod
    def drop(self, kept: Frame) -> None:
        """Frees what `keep` kept."""

    @abstractmethod
    def set_aside(self, frame: Frame, file: Path) -> None:
        """Writes `frame` to Parquet in any order, for `scan` to read again: no output, whose bytes must be the same."""

    @abstractmethod
    def batches(self, ordered: Frame) -> Iterator[pa.RecordBatch]:
        """The rows of a sorted frame in batches, in its order; computes nothing else before the last one is taken."""

    @abstractmethod
    def map_text(self, frame: Frame, column: str, name: str, function: Callable[[str], str]) -> Frame:
        """`frame` with one more column `name`: what `function` of Python's makes of each text of `column`, or null."""

    def map(self, work: Callable[[Self, Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """What `work` makes of each item, in their order: several side by side.

        Each is given an engine of its own, of the same memory; `kept` tells it what this one keeps.
        """
        with ThreadPoolExecutor(THREADS) as pool:
            yield from pool.map(lambda item: work(self._beside(), item), items)

    @abstractmethod
    def _beside(self) -> Self:
        """An engine of the same memory for another thread."""

    @abstractmethod
    def kept(self, kept: Frame) -> Frame:
        """What another engine of the same memory keeps, as a frame of this one."""


def map_texts(function: Callable[[str], str], texts: pa.Array | pa.ChunkedArray) -> pa.Array:
    """What `function` makes of each of `texts`; nothing of nothing."""
    return pa.array([None if text is None else function(text) for text in texts.to_pylist()], pa.string())
