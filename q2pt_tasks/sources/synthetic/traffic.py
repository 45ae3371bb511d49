"""One day of one store: which queries were typed, which products were seen, clicked, put in the cart and bought."""

import datetime
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from q2pt_tasks.data.schema import EVENTS
from q2pt_tasks.sources.synthetic.queries import QueryPool
from q2pt_tasks.sources.synthetic.shelf import Shelf
from q2pt_tasks.sources.synthetic.words import generator

CLICK_CHANCE, CART_CHANCE, PURCHASE_CHANCE = 0.9, 0.12, 0.4
WEEKEND_RISE = 1.25
# A query shows this many products of a type, the first far more often than the last.
PRODUCTS_SHOWN = 4
# Searches per day for each query built around a planted word, at least: a label needs several clicks in small stores.
PLANTED_SEARCHES = (5, 8)


@dataclass(frozen=True)
class Store:
    """One store: its traffic in searches per day, what it sells and what its shoppers type."""

    searches: float
    shelf: Shelf
    pool: QueryPool


def make_day(store: Store, day: datetime.date, seed: int) -> pa.Table:
    """The store's events of `day`, schema `EVENTS`; they depend on nothing but the store, the day and the seed."""
    rng = generator(seed, store.shelf.locale, day)
    queries = _searches(store, day, rng)
    products = _products(store, queries, rng)
    pair, looks = np.unique(queries * len(store.shelf.product_ids) + products, return_counts=True)
    query, product = np.divmod(pair, len(store.shelf.product_ids))
    clicks = rng.binomial(looks, CLICK_CHANCE)
    carts = rng.binomial(clicks, CART_CHANCE)
    columns = [
        pa.repeat(pa.scalar(day, pa.date32()), len(pair)),
        pa.repeat(store.shelf.locale, len(pair)),
        store.pool.texts.take(pa.array(query)),
        store.shelf.product_ids.take(pa.array(product)),
        looks * rng.integers(2, 8, len(pair)) + rng.integers(0, 10, len(pair)),
        clicks,
        carts,
        rng.binomial(carts, PURCHASE_CHANCE),
    ]
    return pa.table(columns, schema=EVENTS)


def _searches(store: Store, day: datetime.date, rng: np.random.Generator) -> NDArray[np.int64]:
    """The day's searches as indices of queries, ascending: a busy or quiet day, and types that come and go."""
    pool = store.pool
    total = store.searches * (0.9 + 0.2 * rng.random()) * (WEEKEND_RISE if day.weekday() >= 5 else 1.0)
    trend = 0.6 + 0.8 * rng.random(len(store.shelf.types))
    weights = pool.weights * trend[pool.types[:, 0]]
    times = rng.multinomial(round(total), weights / weights.sum())
    times[: pool.planted] = np.maximum(times[: pool.planted], rng.integers(*PLANTED_SEARCHES, pool.planted))
    return np.repeat(np.arange(len(times)), times)


def _products(store: Store, queries: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """The position on the shelf of the product that each search led to."""
    pool, shelf = store.pool, store.shelf
    lot, rank = rng.random((2, len(queries)))
    column = sum((lot >= pool.upper_shares[queries, meaning]).astype(np.int64) for meaning in range(3))
    types = pool.types[queries, column]
    # Each query shows the products of a type from another one on.
    shown = queries * 7 + (rank * rank * rank * PRODUCTS_SHOWN).astype(np.int64)
    products: NDArray[np.int64] = shelf.starts[types] + shown % shelf.counts[types]
    return products
