"""How the queries and product types of a split are divided, so that a figure over all hides no part of them."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from q2pt_tasks.data.query_traits import LENGTHS, BrandFinder, length_of, script_of
from q2pt_tasks.metrics.scored import Floats, Indices
from q2pt_tasks.metrics.slices import SUPPORT_GROUPS, Dimension, support_groups

# A store is small where the clicks behind its training queries are fewer than this share of the largest store's.
SMALL_SHARE = 0.1
STORES = ("large stores", "small stores with a large one of their language", "small stores alone in their language")
SEEN = ("seen in training", "not seen")
Tables = Mapping[str, pa.Table]


def query_dimensions(split: Tables, train: Tables, brands: Sequence[str]) -> list[Dimension]:
    """Length, script, number of product types and store of each query, and its brand where any brand is known.

    Args:
        split: per locale the labelled queries, in the order in which they are scored.
        train: per locale the training queries; their clicks are what makes a store large or small.
        brands: those that the source knows, in their normal form.
    """
    queries = [query for table in split.values() for query in table["query"].to_pylist()]
    counts = [pc.list_value_length(table["product_types"]).to_numpy() for table in split.values()]
    dimensions = [
        Dimension("store", STORES, of_queries=_per_locale(split, store_groups(_clicks(train)))),
        Dimension("length", LENGTHS, of_queries=_of(queries, length_of)),
        _named("script", map(script_of, queries)),
        Dimension("meaning", ("one product type", "several"), of_queries=(np.concatenate(counts) > 1) + 0),
    ]
    if brands:
        is_in = BrandFinder(brands).is_in
        found = Dimension("brand", ("with a brand", "without"), of_queries=_of(queries, lambda query: not is_in(query)))
        dimensions.append(found)
    return dimensions


def seen_dimension(split: Tables) -> Dimension:
    """Whether a query is among the training queries of its store."""
    unseen = [not seen for table in split.values() for seen in table["seen"].to_pylist()]
    return Dimension("seen", SEEN, of_queries=np.array(unseen, dtype=np.intp))


def support_dimension(types: Sequence[str], train: Tables) -> Dimension:
    """Head, torso and tail of the product types, by the clicks of all stores' training queries."""
    return Dimension("support", SUPPORT_GROUPS, of_types=support_groups(clicks_of_types(types, train)))


def store_groups(clicks: Mapping[str, float]) -> dict[str, int]:
    """Per locale the index in `STORES`, by the clicks behind the training queries of each locale."""
    limit = SMALL_SHARE * max(clicks.values(), default=0.0)
    large = {_language(locale) for locale, value in clicks.items() if value >= limit}
    return {locale: 0 if value >= limit else 1 if _language(locale) in large else 2 for locale, value in clicks.items()}


def clicks_of_types(types: Sequence[str], train: Tables) -> Floats:
    """The clicks of all stores' training queries by product type, a query's clicks divided by its shares."""
    known, clicks = pa.array(types, pa.string()), np.zeros(len(types))
    for table in train.values():
        names, shares = (table[column].combine_chunks() for column in ("product_types", "shares"))
        places = pc.index_in(names.flatten(), known).to_numpy()
        of_queries = table["clicks"].to_numpy()[pc.list_parent_indices(names).to_numpy()]
        # One by one and in their order, so that a sum does not depend on how they lie in files.
        np.add.at(clicks, places, shares.flatten().to_numpy() * of_queries)
    return clicks


def _language(locale: str) -> str:
    return locale.partition("-")[0]


def _clicks(train: Tables) -> dict[str, float]:
    return {locale: float(table["clicks"].to_numpy().sum()) for locale, table in train.items()}


def _per_locale(split: Tables, groups: Mapping[str, int]) -> Indices:
    return np.repeat(
        np.array([groups[locale] for locale in split], dtype=np.intp), [len(table) for table in split.values()]
    )


def _of(queries: Sequence[str], index: Callable[[str], int]) -> Indices:
    return np.array([index(query) for query in queries], dtype=np.intp)


def _named(name: str, labels: Iterable[str]) -> Dimension:
    """The labels that occur, the most frequent first, of equals by name."""
    found, place, times = np.unique(np.array(list(labels), dtype=object), return_inverse=True, return_counts=True)
    order = np.lexsort((np.arange(len(found)), -times))
    return Dimension(name, tuple(found[order]), of_queries=np.argsort(order)[place])
