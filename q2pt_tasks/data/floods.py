"""A flood: one query that takes so much of a store's clicks on one day that no shoppers can have made them.

Bots that click on one query would make its labels, and nobody would see it in the number of rows.
"""

from dataclasses import dataclass

import narwhals as nw

from q2pt_tasks.data.row_rules import REASON, Frame

FLOOD = ("flood", "the query has more of its store's clicks on this day than shoppers give one query")
_KEY = ["locale", "query"]


@dataclass(frozen=True)
class FloodRule:
    """When a query is one.

    Attributes:
        share: of its store's clicks on a day, above which a query is a flood.
        clicks: that it needs on that day at least; in a small store chance alone gives a query much of the clicks.
    """

    share: float
    clicks: int


def find_floods(judged: Frame, rule: FloodRule) -> Frame:
    """The `locale` and `query` of the floods among the valid rows of one day."""
    valid = judged.filter(nw.col(REASON).is_null())
    # Floating point: a sum of 64-bit counts may not fit into 64 bits.
    clicks = nw.col("clicks").cast(nw.Float64).sum()
    # Few queries are left to be compared with their store, which a window over all of them would sort.
    many = valid.group_by(*_KEY).agg(clicks=clicks).filter(nw.col("clicks") >= rule.clicks)
    stores = valid.group_by("locale").agg(of_store=clicks)
    compared = many.join(stores, on=["locale"], how="inner")
    return compared.filter(nw.col("clicks") > rule.share * nw.col("of_store")).select(*_KEY)


def mark_floods(judged: Frame, floods: Frame) -> Frame:
    """`judged` where every valid row of a query in `floods` has the reason of `FLOOD`."""
    columns = judged.collect_schema().names()
    marked = judged.join(floods.with_columns(is_flood=nw.lit(True)), on=_KEY, how="left")
    reason = nw.when(nw.col("is_flood")).then(nw.lit(FLOOD[1]))
    return marked.with_columns(nw.coalesce(nw.col(REASON), reason).alias(REASON)).select(*columns)
