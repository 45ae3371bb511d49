"""From clicks to labels: which product types a query means in a store, and by what share of its clicks.

The paper trains on labels made from click-through behaviour and does not give its rule (arXiv 2410.07121). The rules
here are published ones: a share of clicks and a floor for the best share (home-improvement store, VUI 2024), a floor
of clicks for a pair of query and type (eBay 2019).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

LABELS = pa.schema(
    [
        ("query", pa.string()),
        ("product_types", pa.list_(pa.string())),
        ("shares", pa.list_(pa.float64())),
        ("clicks", pa.int64()),
    ]
)


@dataclass(frozen=True)
class LabelRules:
    """What it takes for a click to become a label.

    Attributes:
        min_query_clicks: clicks that a query needs in the period.
        min_pair_clicks: clicks that a query needs on one product type.
        min_share: share of the query's clicks that a product type needs, 0 to 1.
        min_top_share: share that the query's best product type needs; else nobody knows what the query means.
    """

    min_query_clicks: int
    min_pair_clicks: int
    min_share: float
    min_top_share: float


def clicks_by_type(
    clicks: nw.LazyFrame[Any], catalog: nw.LazyFrame[Any], largest: Sequence[str] = ()
) -> nw.LazyFrame[Any]:
    """Clicks per locale, query and product type.

    Args:
        clicks: clicks of queries on products, such as valid events.
        catalog: the product type of every product and locale.
        largest: columns of which the largest value is kept.
    """
    clicked = clicks.filter(nw.col("clicks") > 0)
    return add_clicks(clicked.join(catalog, on=["product_id", "locale"], how="inner"), largest)


def add_clicks(clicks: nw.LazyFrame[Any], largest: Sequence[str] = ()) -> nw.LazyFrame[Any]:
    """The sum of the clicks of each locale, query and product type.

    Args:
        clicks: of one or more rows for each of them.
        largest: columns of which the largest value is kept.
    """
    return clicks.group_by("locale", "query", "product_type").agg(
        nw.col("clicks").sum().cast(nw.Int64), *(nw.col(name).max() for name in largest)
    )


def types_of_products(events: nw.LazyFrame[Any], catalog: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """The rows of `catalog` whose products the `events` have: all of it that their clicks by type depend on."""
    key = ["locale", "product_id"]
    return events.select(*key).unique().join(catalog, on=key, how="inner").select(*key, "product_type")


def label_pairs(clicks: nw.LazyFrame[Any], rules: LabelRules) -> nw.LazyFrame[Any]:
    """The pairs of query and product type that `rules` accept, with `share` and the query's `query_clicks`."""
    query = ["locale", "query"]
    # Added up and joined: a window over all queries would sort them.
    totals = clicks.group_by(query).agg(
        query_clicks=nw.col("clicks").sum().cast(nw.Int64), top_clicks=nw.col("clicks").max()
    )
    known = totals.filter(
        nw.col("query_clicks") >= rules.min_query_clicks,
        nw.col("top_clicks") / nw.col("query_clicks") >= rules.min_top_share,
    )
    shares = clicks.join(known, on=query, how="inner").with_columns(share=nw.col("clicks") / nw.col("query_clicks"))
    return shares.filter(nw.col("clicks") >= rules.min_pair_clicks, nw.col("share") >= rules.min_share).select(
        "locale", "query", "product_type", "share", "query_clicks"
    )


def nest_labels(pairs: pa.Table) -> pa.Table:
    """One row per query with its product types, from the pairs of one locale, sorted as the rows are to be."""
    queries = pairs["query"].combine_chunks()
    starts = np.flatnonzero(_starts_group(queries))
    offsets = pa.array(np.append(starts, len(queries)), pa.int32())
    return pa.table(
        {
            "query": queries.take(pa.array(starts)),
            "product_types": pa.ListArray.from_arrays(offsets, pairs["product_type"].combine_chunks()),
            "shares": pa.ListArray.from_arrays(offsets, pairs["share"].combine_chunks()),
            "clicks": pairs["query_clicks"].combine_chunks().take(pa.array(starts)),
        },
        schema=LABELS,
    )


def _starts_group(values: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Where sorted `values` have another one than before."""
    differs = np.ones(len(values), bool)
    if len(values):
        differs[1:] = pc.not_equal(values.slice(1), values.slice(0, len(values) - 1)).to_numpy(zero_copy_only=False)
    return differs
