"""Rows that no log should hold and every log does, for the validation to catch."""

import datetime
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from q2pt_tasks.data.schema import EVENTS

Row = dict[str, Any]

LONG_QUERY = 5_000
BEFORE_ANY_WINDOW = datetime.date(1970, 1, 1)
# Rows with a wrong date and rows without one, each as a share of the dirty rows.
MISDATED_SHARE = 1 / 12

# What becomes of a good row. The repeated one is added to its original, the others take their original's place.
DIRT: Mapping[str, Callable[[Row], Row]] = {
    "negative clicks": lambda row: row | {"clicks": -1 - row["clicks"]},
    "more clicks than impressions": lambda row: row | {"clicks": row["impressions"] + 1},
    "product not in the catalog": lambda row: row | {"product_id": f"{row['product_id']}-gone"},
    "empty query": lambda row: row | {"query": ""},
    "query with a NUL": lambda row: row | {"query": f"{row['query']}\x00"},
    "query with an escape": lambda row: row | {"query": f"\x1b[31m{row['query']}"},
    "endless query": lambda row: row | {"query": (f"{row['query']} " * LONG_QUERY)[:LONG_QUERY]},
    "unknown locale": lambda row: row | {"locale": "xx-XX"},
    "locale that is a path": lambda row: row | {"locale": "../../etc"},
    "no locale": lambda row: row | {"locale": None},
    "repeated key": lambda row: row,
}


def soil(events: pa.Table, share: float, rng: np.random.Generator) -> pa.Table:
    """`events` with about this share of the rows made dirty, of every kind in `DIRT` where there are enough."""
    chosen = np.flatnonzero(rng.random(len(events)) < share)
    kinds = [list(DIRT)[number] for number in (rng.integers(len(DIRT)) + np.arange(len(chosen))) % len(DIRT)]
    rows = events.take(pa.array(chosen)).to_pylist()
    dirty = [DIRT[kind](row) for kind, row in zip(kinds, rows, strict=True)]
    replaced = [row for row, kind in zip(chosen, kinds, strict=True) if kind != "repeated key"]
    clean = np.ones(len(events), np.bool_)
    clean[replaced] = False
    return pa.concat_tables([events.filter(pa.array(clean)), pa.Table.from_pylist(dirty, EVENTS)])


def undate(events: pa.Table) -> pa.Table:
    """The same rows without a date."""
    return events.set_column(0, EVENTS.field("event_date"), pa.nulls(len(events), pa.date32()))
