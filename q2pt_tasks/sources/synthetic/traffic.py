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
# Three types that a query may mean, and the one that is clicked by mistake: the columns of `QueryPool.types`.
MEANINGS = 4
# Searches per day for each query built around a planted word, at least: a label needs several clicks in small stores.
PLANTED_SEARCHES = (5, 8)
# The searches of a query are drawn one by one up to so many a day, those of more frequent ones all at once: the head
# of a large shop's log is most of its searches and few of its rows. No query of the default log is as frequent.
DRAWN_ONE_BY_ONE = 2_000


@dataclass(frozen=True)
class Store:
    """One store: its traffic in searches per day, what it sells and what its shoppers type."""

    searches: float
    shelf: Shelf
    pool: QueryPool


def make_day(store: Store, day: datetime.date, seed: int) -> pa.Table:
    """The store's events of `day`, schema `EVENTS`; they depend on nothing but the store, the day and the seed."""
    rng = generator(seed, store.shelf.locale, day)
    times = _searches(store, day, rng)
    often = times > DRAWN_ONE_BY_ONE
    cells = _cells_one_by_one(store.pool, np.where(often, 0, times), rng)
    cells[often] = _cells_at_once(store.pool.upper_shares[often], times[often], rng)
    query, product, looks = _products(store, cells)
    clicks = rng.binomial(looks, CLICK_CHANCE)
    carts = rng.binomial(clicks, CART_CHANCE)
    columns = [
        pa.repeat(pa.scalar(day, pa.date32()), len(looks)),
        pa.repeat(store.shelf.locale, len(looks)),
        store.pool.texts.take(pa.array(query)),
        store.shelf.product_ids.take(pa.array(product)),
        looks * rng.integers(2, 8, len(looks)) + rng.integers(0, 10, len(looks)),
        clicks,
        carts,
        rng.binomial(carts, PURCHASE_CHANCE),
    ]
    return pa.table(columns, schema=EVENTS)


def _searches(store: Store, day: datetime.date, rng: np.random.Generator) -> NDArray[np.int64]:
    """How often each query is typed, (queries,): on a busy or quiet day, with types that come and go."""
    pool = store.pool
    total = store.searches * (0.9 + 0.2 * rng.random()) * (WEEKEND_RISE if day.weekday() >= 5 else 1.0)
    trend = 0.6 + 0.8 * rng.random(len(store.shelf.types))
    weights = pool.weights * trend[pool.types[:, 0]]
    times: NDArray[np.int64] = rng.multinomial(round(total), weights / weights.sum())
    times[: pool.planted] = np.maximum(times[: pool.planted], rng.integers(*PLANTED_SEARCHES, pool.planted))
    return times


def _cells_one_by_one(pool: QueryPool, times: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """How many searches of each query led to each meaning and rank, (queries, MEANINGS, PRODUCTS_SHOWN)."""
    queries = np.repeat(np.arange(len(times)), times)
    lot, rank = rng.random((2, len(queries)))
    meaning = np.zeros(len(queries), np.int64)
    for upper in pool.upper_shares.T:
        meaning += lot >= upper[queries]
    shown = (rank * rank * rank * PRODUCTS_SHOWN).astype(np.int64)
    cell = (queries * MEANINGS + meaning) * PRODUCTS_SHOWN + shown
    counts = np.bincount(cell, minlength=len(times) * MEANINGS * PRODUCTS_SHOWN)
    return counts.reshape(-1, MEANINGS, PRODUCTS_SHOWN)


def _cells_at_once(
    upper_shares: NDArray[np.float64], times: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """What `_cells_one_by_one` draws, by one draw for each query."""
    meanings = np.diff(upper_shares, axis=1, prepend=0, append=1)
    # Rounded, for processors differ in the last bit of a root, and the log should not.
    ranks = np.diff(np.cbrt(np.arange(PRODUCTS_SHOWN + 1) / PRODUCTS_SHOWN).round(12))
    shares = (meanings[:, :, None] * ranks).reshape(len(times), MEANINGS * PRODUCTS_SHOWN)
    drawn: NDArray[np.int64] = rng.multinomial(times, shares).reshape(-1, MEANINGS, PRODUCTS_SHOWN)
    return drawn


def _products(store: Store, cells: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Queries, positions of products on the shelf, and how many searches led from one to the other; ascending."""
    pool, shelf = store.pool, store.shelf
    query, meaning, rank = np.nonzero(cells)
    types = pool.types[query, meaning]
    # Each query shows the products of a type from another one on.
    product = shelf.starts[types] + (query * 7 + rank) % shelf.counts[types]
    # Two ranks, or a meaning and a mistake, may be the same product.
    pair, place = np.unique(query * len(shelf.product_ids) + product, return_inverse=True)
    looks = np.zeros(len(pair), np.int64)
    np.add.at(looks, place, cells[query, meaning, rank])
    return *np.divmod(pair, len(shelf.product_ids)), looks
