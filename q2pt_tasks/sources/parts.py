"""The parts of a log, and how many rows of which day each has: what earlier runs counted is not counted again."""

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import narwhals as nw
import pyarrow as pa

from q2pt_tasks.data.schema import EVENTS
from q2pt_tasks.engine.interface import Engine
from q2pt_tasks.engine.tables import collect
from q2pt_tasks.memo import Memo
from q2pt_tasks.sources.conversion import converted, from_typed
from q2pt_tasks.sources.unsorted import Census, UnsortedRows

# A file of more days is taken apart by day in one reading: the engine would read it for each of them.
_DAYS_OF_A_FILE = 3


@dataclass(frozen=True)
class Part:
    """A piece of a log.

    Attributes:
        batches: reads it: rows in any order.
        content: what its rows are a function of, such as the hash of a file; None where nobody can say.
        file: a Parquet file with just these rows in the types of the events, which the engine can read by itself.
    """

    batches: Callable[[], Iterable[pa.Table]]
    content: str | None = None
    file: Path | None = None


@dataclass(frozen=True)
class Counted:
    """A part, and how many rows of which day it has.

    Attributes:
        is_unread: whether its rows must still be collected, should one of its days be missing.
        file: what the engine reads instead.
    """

    part: Part
    census: Census
    is_unread: bool = False
    file: Path | None = None


def count_part(part: Part, taken: Sequence[date | None], rows: UnsortedRows, engine: Engine, memo: Memo) -> Counted:
    """Counts the rows of `part`, and collects them where they have to be read for that."""
    census = _known_census(part, memo)
    if census is None and part.file is not None:
        census = _remembered(part, _census_of_file(part, part.file, engine), memo)
    if census is None:
        return Counted(part, _remembered(part, rows.add_all(part.batches(), taken), memo))
    if part.file is not None and len(census) <= _DAYS_OF_A_FILE:
        return Counted(part, census, file=part.file)
    return Counted(part, census, is_unread=True)


def _census_of_file(part: Part, file: Path, engine: Engine) -> Census:
    with explained([part], engine):
        counts = collect(engine.scan([file]).group_by("event_date").agg(rows=nw.len()), ["event_date"])
    days = converted(counts["event_date"].combine_chunks(), EVENTS.field("event_date"), file, from_typed)
    return dict(zip(days.to_pylist(), counts["rows"].to_pylist(), strict=True))


def _known_census(part: Part, memo: Memo) -> Census | None:
    if part.content is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        if not memo.recall(_census_key(part), Path(folder)):
            return None
        rows = json.loads((Path(folder) / "census.json").read_text())
        return {date.fromisoformat(day) if day else None: count for day, count in rows}


def _remembered(part: Part, census: Census, memo: Memo) -> Census:
    if part.content is not None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "census.json"
            file.write_text(json.dumps([[day and str(day), count] for day, count in census.items()]))
            memo.keep(_census_key(part), [file])
    return census


def _census_key(part: Part) -> dict[str, object]:
    return {"days of": part.content}


@contextmanager
def explained(parts: Iterable[Part], engine: Engine) -> Iterator[None]:
    """Where `engine` cannot read one of `parts`, our own reader says which, and what is wrong with which column."""
    try:
        yield
    except engine.errors:
        for part in parts:
            for _ in part.batches():
                pass
        raise
