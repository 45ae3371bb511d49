"""What only their neighbours tell of judged rows: which repeat a key, and which queries have many clicks.

Rows come sorted by `ROW_ORDER`, then by their counts, in tables one after another: what belongs together lies side by
side. A window function of the engine would sort them once more.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from q2pt_tasks.data.row_rules import DUPLICATE_EVENT, REASON
from q2pt_tasks.data.schema import ROW_ORDER

QUERY_KEY = ("locale", "query")

Indices = np.ndarray[tuple[int], np.dtype[np.int64]]


def whole_queries(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The sorted rows of `tables`, cut anew so that no query of a store is in two tables."""
    pending = None
    for table in tables:
        if pending is None:
            pending = table
            continue
        start = int(_starts(pending, QUERY_KEY)[-1])
        if start:
            yield pending.slice(0, start)
        pending = pa.concat_tables([pending.slice(start), table]).combine_chunks()
    if pending is not None:
        yield pending


def mark_repeats(judged: pa.Table) -> pa.Table:
    """Sorted rows where every valid row but the last of a key has the reason of `DUPLICATE_EVENT`.

    The last one has the largest counts, compared in their order: a late file restates a row with counts that have
    grown. A row already judged unfit takes the place of no valid one.
    """
    starts = _starts(judged, ROW_ORDER)
    if len(starts) == len(judged):
        return judged
    key = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(judged))))
    clean = np.flatnonzero(_mask(pc.is_null(judged[REASON])))
    return with_reason_at(judged, clean[:-1][key[clean[:-1]] == key[clean[1:]]], DUPLICATE_EVENT[1])


def with_reason_at(judged: pa.Table, rows: Indices, reason: str) -> pa.Table:
    """`judged` where the rows of these numbers have `reason`."""
    if not len(rows):
        return judged
    is_meant = np.zeros(len(judged), bool)
    is_meant[rows] = True
    reasons = pc.if_else(pa.array(is_meant), reason, judged[REASON])
    return judged.set_column(judged.schema.get_field_index(REASON), REASON, reasons)


def clicks_of_queries(valid: pa.Table, least: int) -> dict[tuple[str, str], float]:
    """The clicks of each locale and query of one day's sorted valid rows that has `least` or more."""
    starts = _starts(valid, QUERY_KEY)
    if not len(starts):
        return {}
    # Floating point: a sum of 64-bit counts may not fit into 64 bits.
    clicks = np.add.reduceat(valid["clicks"].to_numpy().astype(np.float64), starts)
    many = np.flatnonzero(clicks >= least)
    rows = valid.select(QUERY_KEY).take(pa.array(starts[many]))
    keys = zip(rows["locale"].to_pylist(), rows["query"].to_pylist(), strict=True)
    return dict(zip(keys, clicks[many].tolist(), strict=True))


def _starts(rows: pa.Table, key: Sequence[str]) -> Indices:
    """Where in sorted `rows` another `key` begins; one with a missing value is its own."""
    if not len(rows):
        return np.array([], np.int64)
    differs = np.zeros(len(rows), bool)
    differs[0] = True
    for name in key:
        column = rows[name].combine_chunks()
        equal = pc.equal(column.slice(1), column.slice(0, len(column) - 1))
        differs[1:] |= ~_mask(pc.fill_null(equal, False))
    return np.flatnonzero(differs)


def _mask(booleans: Any) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:  # noqa: ANN401 - an array, chunked or not
    mask: np.ndarray[tuple[int], np.dtype[np.bool_]] = (
        booleans.to_numpy(zero_copy_only=False) if isinstance(booleans, pa.Array) else booleans.to_numpy()
    )
    return mask
