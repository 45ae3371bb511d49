"""A flood: one query that takes so much of a store's clicks on one day that no shoppers can have made them.

Bots that click on one query would make its labels, and nobody would see it in the number of rows.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from q2pt_tasks.data.row_rules import REASON
from q2pt_tasks.data.sorted_rows import with_reason_at

FLOOD = ("flood", "the query has more of its store's clicks on this day than shoppers give one query")

# A store and a query.
Query = tuple[str, str]


@dataclass(frozen=True)
class FloodRule:
    """When a query is one.

    Attributes:
        share: of its store's clicks on a day, above which a query is a flood.
        clicks: that it needs on that day at least; in a small store chance alone gives a query much of the clicks.
    """

    share: float
    clicks: int


def find_floods(queries: Mapping[Query, float], stores: Mapping[str, float], rule: FloodRule) -> frozenset[Query]:
    """The floods of one day.

    Args:
        queries: the valid clicks of each query that has `rule.clicks` or more.
        stores: all valid clicks of each store.
        rule: when a query is one.
    """
    return frozenset(query for query, clicks in queries.items() if clicks > rule.share * stores[query[0]])


def mark_floods(judged: pa.Table, floods: Collection[Query]) -> pa.Table:
    """`judged`, of one day, where every valid row of a query in `floods` has the reason of `FLOOD`."""
    for locale, query in sorted(floods):
        is_flood = pc.and_(pc.equal(judged["locale"], locale), pc.equal(judged["query"], query))
        is_meant = pc.and_(pc.fill_null(is_flood, False), pc.is_null(judged[REASON]))
        judged = with_reason_at(judged, np.flatnonzero(is_meant.to_numpy()), FLOOD[1])
    return judged
