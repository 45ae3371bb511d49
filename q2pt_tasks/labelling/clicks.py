"""The clicks of a window by query and product type: a day is counted once, a whole week added up once.

What is remembered of a day or a week is found by the hash of its valid rows and by the product types of its products:
a window that moves by a day adds up some weeks and the days beside them, not each of its days. Where nothing is
remembered many days are counted together.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from q2pt_tasks.data.labels import add_clicks, clicks_by_type, types_of_products
from q2pt_tasks.data.schema import CATALOG
from q2pt_tasks.engine.interface import Engine, Frame
from q2pt_tasks.engine.tables import hash_rows
from q2pt_tasks.labelling.normal_queries import with_normal_queries
from q2pt_tasks.layout import day_of_file
from q2pt_tasks.memo import Key, Memo, hash_of
from q2pt_tasks.validation.products import products_of

_CLICKS = "clicks.parquet"
_WEEK = 7

# Days that are added up together.
Span = tuple[Path, ...]


@dataclass(frozen=True)
class Counting:
    """What clicks are counted by.

    Attributes:
        catalog: the product type of every product and locale, as the engine keeps it.
        largest: columns of which the largest value is kept.
        folder: for what is counted; it must be there as long as the frames are computed.
        memo: what earlier runs counted.
        rows_together: events that are counted at once where nothing is remembered; an engine's memory holds their sums.
    """

    catalog: Frame
    largest: tuple[str, ...]
    folder: Path
    memo: Memo
    rows_together: int

    @property
    def schema(self) -> pa.Schema:
        """The columns of what is counted."""
        texts = [(name, pa.string()) for name in ("locale", "query", "product_type")]
        return pa.schema([*texts, *((name, pa.int64()) for name in ("clicks", *self.largest))])


def count_clicks(engine: Engine, days: Sequence[Path], counting: Counting) -> Frame:
    """The clicks per locale, query in its normal form and product type of the valid events in the files `days`.

    They are in several rows each, which are still to be added up: whoever looks at some queries alone adds up fewer.
    """

    def count(engine: Engine, span: Span) -> Path:
        return _count_span(engine, span, counting)

    remembers = counting.memo.remembers
    files = engine.map(count, spans(days)) if remembers else _count_together(engine, days, counting)
    return engine.scan_any(list(files), counting.schema)


def spans(days: Iterable[Path]) -> list[Span]:
    """The days of each week of which all seven are there, and every other day by itself; `days` are in their order."""
    found: list[Span] = []
    for _, together in groupby(days, key=_week):
        week = tuple(together)
        found += [week] if len(week) == _WEEK else [(day,) for day in week]
    return found


def _week(day: Path) -> int:
    # The first of January of the year 1 was a Monday: weeks are those of ISO 8601.
    return (day_of_file(day) - date.min).days // _WEEK


def _count_together(engine: Engine, days: Sequence[Path], counting: Counting) -> Iterator[Path]:
    """Files with the clicks of many days each: sums of single days, for other nights to find, cost twice as much."""
    for together in stretches(days, counting.rows_together):
        file = counting.folder / f"{together[0].stem}-{len(together)}.parquet"
        engine.set_aside(_count(engine, together, counting), file)
        yield file


def stretches(days: Iterable[Path], rows: int) -> Iterator[Span]:
    """The `days`, as many together as have no more than so many `rows`, or one that has more."""
    found: list[Path] = []
    total = 0
    for day in days:
        own = pq.read_metadata(day).num_rows
        if found and total + own > rows:
            yield tuple(found)
            found, total = [], 0
        found.append(day)
        total += own
    if found:
        yield tuple(found)


def _count_span(engine: Engine, span: Span, counting: Counting) -> Path:
    """A file with the clicks of the days of `span`."""
    folder = counting.folder / f"{span[0].stem}-{len(span)}"

    def make(folder: Path) -> None:
        engine.set_aside(_clicks_of(engine, span, counting), folder / _CLICKS)

    counting.memo.fill(lambda: _key(engine, span, counting), folder, make)
    return folder / _CLICKS


def _clicks_of(engine: Engine, span: Span, counting: Counting) -> Frame:
    """The clicks of the days of `span`, those of a single day with a row for each spelling of a query."""
    if len(span) > 1:
        days = [_count_span(engine, (day,), counting) for day in span]
        return add_clicks(engine.scan(days), counting.largest)
    return _count(engine, span, counting)


def _count(engine: Engine, days: Sequence[Path], counting: Counting) -> Frame:
    """The clicks of `days`, with a row for each spelling of a query."""
    typed = clicks_by_type(engine.scan(days), engine.kept(counting.catalog), counting.largest)
    return with_normal_queries(engine, typed)


def _key(engine: Engine, span: Span, counting: Counting) -> Key:
    # All that the days have of the catalog: types of products that they do not have change nothing here.
    hashes = [hash_of(day) for day in span]
    products = [products_of(engine, day, sha256, counting.memo) for day, sha256 in zip(span, hashes, strict=True)]
    types = types_of_products(engine.frame(pa.concat_tables(products)), engine.kept(counting.catalog))
    return {"clicks of": hashes, "largest": counting.largest, "types": hash_rows(types, CATALOG.names)}
