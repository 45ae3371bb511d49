"""Human judgements: what people said that queries mean. They are scored apart and never trained on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import pyarrow as pa

from q2pt_tasks.data.labels import LABELS
from q2pt_tasks.data.queries import normalise_query

JUDGEMENTS = pa.schema(
    [("locale", pa.string()), ("query", pa.string()), ("product_types", pa.list_(pa.string()))],
)
_PROBLEMS_SHOWN = 5


class JudgementsError(ValueError):
    """A row of the judgements says nothing that can be scored."""


@dataclass(frozen=True)
class Judgements:
    """Judged queries by locale, and how many rows belong to locales that the params do not name.

    Attributes:
        tables: for each of the locales a table of schema `LABELS`; every query has one click, its types equal shares.
        left_out: rows of other locales: nothing is wrong with them, they were only not asked for.
    """

    tables: Mapping[str, pa.Table]
    left_out: int


@dataclass(frozen=True)
class _Row:
    """A row of the file by its number, from 1 on, with the query in its normal form."""

    number: int
    locale: str
    query: str
    product_types: tuple[str, ...]


def read_judgements(rows: pa.Table, locales: Sequence[str]) -> Judgements:
    """Rows of schema `JUDGEMENTS` as labelled queries of `locales`.

    Raises:
        JudgementsError: a row has no locale, no query or no product type, names a type twice, or repeats a query.
    """
    found = [_row(number, row) for number, row in enumerate(rows.to_pylist(), start=1)]
    if problems := list(islice(_problems(found), _PROBLEMS_SHOWN + 1)):
        more = " There are more." if len(problems) > _PROBLEMS_SHOWN else ""
        raise JudgementsError(f"{'; '.join(problems[:_PROBLEMS_SHOWN])}.{more} Correct these rows of the judgements")
    tables = {name: _table([row for row in found if row.locale == name]) for name in locales}
    return Judgements(tables, len(found) - sum(map(len, tables.values())))


def _row(number: int, row: Mapping[str, object]) -> _Row:
    names = row["product_types"]
    types = tuple(_text(name) for name in names) if isinstance(names, list) else ()
    return _Row(number, _text(row["locale"]), normalise_query(_text(row["query"])), types)


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _problems(rows: Sequence[_Row]) -> Iterator[str]:
    first: dict[tuple[str, str], int] = {}
    for row in rows:
        if fault := _fault(row):
            yield f"row {row.number} {fault}"
            continue
        before = first.setdefault((row.locale, row.query), row.number)
        if before != row.number:
            yield f"row {row.number} judges a query again, after row {before}: keep one of them"


# They end in a log, so the number of the row stands for its query.
def _fault(row: _Row) -> str:
    if not row.locale:
        return "has no locale"
    if not row.query:
        return "has no query"
    if not row.product_types or not all(row.product_types):
        return "has an empty product type, or none"
    if len(set(row.product_types)) < len(row.product_types):
        return "names a product type twice"
    return ""


def _table(rows: Sequence[_Row]) -> pa.Table:
    return pa.table(
        {
            "query": [row.query for row in rows],
            "product_types": [list(row.product_types) for row in rows],
            "shares": [[1 / len(row.product_types)] * len(row.product_types) for row in rows],
            "clicks": [1] * len(rows),
        },
        schema=LABELS,
    )
