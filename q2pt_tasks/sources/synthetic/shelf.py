"""What a store sells: its product types and the products of each."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from q2pt_tasks.data.schema import CATALOG
from q2pt_tasks.sources.synthetic.words import generator

FEWEST_PRODUCTS, MOST_PRODUCTS = 12, 40
# The share of all product types that a store of at least this size does without: small stores sell less.
MISSING_TYPES = ((10.0, 0.04), (3.0, 0.10), (0.0, 0.20))


@dataclass(frozen=True)
class Shelf:
    """The products of one store; those of one type stand next to each other.

    Attributes:
        locale: the store.
        types: the product types it sells; a type's index is its number below and in queries.
        starts: the position of each type's first product, shape (types,).
        counts: the number of each type's products, shape (types,).
        product_ids: the products' ids by position, shape (products,).
    """

    locale: str
    types: tuple[str, ...]
    starts: NDArray[np.int64]
    counts: NDArray[np.int64]
    product_ids: pa.Array

    def catalog(self) -> pa.Table:
        """The products as a table of the schema `CATALOG`, sorted by id."""
        types = pa.array(self.types).take(pa.array(np.repeat(np.arange(len(self.types)), self.counts)))
        locale = pa.repeat(self.locale, len(self.product_ids))
        return pa.table([self.product_ids, locale, types], schema=CATALOG).sort_by("product_id")


def fill_shelf(locale: str, types: tuple[str, ...], seed: int) -> Shelf:
    """A shelf with some tens of products of each type."""
    rng = generator(seed, locale, "products")
    counts = rng.integers(FEWEST_PRODUCTS, MOST_PRODUCTS, len(types), endpoint=True)
    ids = pa.array([f"{locale}-{number:06d}" for number in rng.permutation(int(counts.sum()))])
    return Shelf(locale, types, np.cumsum(counts) - counts, counts, ids)


def sold_types(types: list[str], always: set[str], size: float, locale: str, seed: int) -> tuple[str, ...]:
    """Those of `types` that a store of this size sells, in their order; `always` are never left out."""
    missing = next(share for least, share in MISSING_TYPES if size >= least)
    kept = generator(seed, locale, "types").random(len(types)) >= missing
    return tuple(name for name, keep in zip(types, kept, strict=True) if keep or name in always)
