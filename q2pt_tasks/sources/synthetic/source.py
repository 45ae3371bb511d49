"""The synthetic click log: the events and the catalog of as many stores as one likes, the same bytes everywhere.

Every store is drawn from its own random numbers, each of its days again: another list of stores changes no store's
rows, and a window that moves on by a day shares the rows of the days that it keeps.
"""

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import pyarrow as pa
from pydantic import Field

from q2pt_tasks.data.schema import CATALOG, EVENTS, Locale
from q2pt_tasks.params import Section
from q2pt_tasks.sources.synthetic.brands import FAMILIES
from q2pt_tasks.sources.synthetic.dirt import BEFORE_ANY_WINDOW, MISDATED_SHARE, soil, undate
from q2pt_tasks.sources.synthetic.nouns import Vocabulary
from q2pt_tasks.sources.synthetic.queries import make_query_pool, planted_texts
from q2pt_tasks.sources.synthetic.shelf import Shelf, fill_shelf, sold_types
from q2pt_tasks.sources.synthetic.traffic import Store, make_day
from q2pt_tasks.sources.synthetic.words import generator, language_of, read_families, read_lexicon, read_planted

STORE_SIZES: dict[str, float] = {
    "en-US": 50,
    "de-DE": 30,
    "ja-JP": 25,
    "en-GB": 25,
    "fr-FR": 20,
    "it-IT": 12,
    "es-ES": 12,
    "pt-BR": 12,
    "es-MX": 8,
    "nl-NL": 8,
    "zh-CN": 8,
    "en-AU": 3,
    "de-AT": 2,
    "fr-BE": 2,
    "nl-BE": 1.5,
    "pl-PL": 1.5,
    "sv-SE": 1.5,
    "en-SG": 1,
    "tr-TR": 1,
    "cs-CZ": 1,
}
# About what the default traffic makes.
SEARCHES_PER_ROW = 3


class SyntheticParams(Section):
    """What the synthetic log is like.

    Attributes:
        seed: another seed is another log.
        last_day: the newest day of the log.
        days: the days of the log, the last one included.
        searches_per_size_unit: searches per day in a store of size 1; three of them make about one row.
        query_draws: how many queries are drawn for a store's pool, repetitions counted; more traffic needs more.
        dirty_share: the share of rows that a validation must catch.
        store_sizes: the relative traffic of the stores; a store that is not named has size 1.
    """

    seed: int = Field(ge=0)
    last_day: datetime.date
    days: int = Field(default=8, ge=1)
    searches_per_size_unit: int = Field(default=640, ge=1)
    query_draws: int = Field(default=60_000, ge=1_000)
    dirty_share: float = Field(default=0.005, ge=0, le=0.5)
    store_sizes: dict[Locale, Annotated[float, Field(gt=0)]] = Field(default_factory=STORE_SIZES.copy)


@dataclass(frozen=True)
class PlantedQuery:
    """A query whose words mean another product type in another store of the language."""

    query: str
    locale: str
    product_type: str


def make_catalog(params: SyntheticParams, locales: Sequence[str]) -> pa.Table:
    """The products of the stores, schema `CATALOG`, sorted by store and product.

    Raises:
        LexiconError: a store's language has no lexicon.
    """
    shelves = [_shelf(params, _vocabulary(params, locale)) for locale in sorted(set(locales))]
    return pa.concat_tables([CATALOG.empty_table(), *(shelf.catalog() for shelf in shelves)])


def make_days(params: SyntheticParams, locales: Sequence[str]) -> Iterator[tuple[datetime.date | None, pa.Table]]:
    """The events of the stores, schema `EVENTS`, day by day in ascending order; rows without a date come last.

    Rows whose date is wrong or missing make days of their own. Within a day the stores follow each other by name.

    Raises:
        LexiconError: a store's language has no lexicon.
    """
    stores = [_store(params, locale) for locale in sorted(set(locales))]
    misdated = _together([_misdated(params, store) for store in stores])
    if misdated:
        yield BEFORE_ANY_WINDOW, misdated
    for back in reversed(range(params.days)):
        day = params.last_day - datetime.timedelta(days=back)
        yield day, _together([_events(params, store, day) for store in stores])
    if misdated:
        yield None, undate(misdated)


def all_brands() -> set[str]:
    """Every brand that a shopper may type."""
    return {brand for family in FAMILIES.values() for brand in family.brands}


def planted_queries(params: SyntheticParams, locales: Sequence[str]) -> list[PlantedQuery]:
    """Every query built around a planted word, with the type that it means in each of the stores that have it."""
    return [
        PlantedQuery(query, locale, product_type)
        for locale in sorted(set(locales))
        for query, product_type in planted_texts(_vocabulary(params, locale)).items()
    ]


def _events(params: SyntheticParams, store: Store, day: datetime.date) -> pa.Table:
    clean = make_day(store, day, params.seed)
    return soil(clean, params.dirty_share, generator(params.seed, store.shelf.locale, day, "dirt"))


def _misdated(params: SyntheticParams, store: Store) -> pa.Table:
    """What came with a date of long ago: a trickle of the store's traffic, in proportion to the rows of its window."""
    rows = store.searches * params.days / SEARCHES_PER_ROW * params.dirty_share * MISDATED_SHARE
    trickle = replace(store, searches=rows, pool=replace(store.pool, planted=0))
    return make_day(trickle, BEFORE_ANY_WINDOW, params.seed)


def _store(params: SyntheticParams, locale: str) -> Store:
    vocabulary = _vocabulary(params, locale)
    searches = params.searches_per_size_unit * _size(params, locale)
    pool = make_query_pool(vocabulary, params.query_draws, params.seed)
    return Store(searches, _shelf(params, vocabulary), pool)


def _shelf(params: SyntheticParams, vocabulary: Vocabulary) -> Shelf:
    return fill_shelf(vocabulary.locale, tuple(vocabulary.families), params.seed)


def _vocabulary(params: SyntheticParams, locale: str) -> Vocabulary:
    language = language_of(locale)
    lexicon, planted, families = read_lexicon(language), read_planted(locale), read_families()
    sold = sold_types(list(families), set(planted.values()), _size(params, locale), locale, params.seed)
    return Vocabulary(locale, language, lexicon, planted, {name: families[name] for name in sold})


def _size(params: SyntheticParams, locale: str) -> float:
    return params.store_sizes.get(locale, 1.0)


def _together(tables: list[pa.Table]) -> pa.Table:
    return pa.concat_tables([EVENTS.empty_table(), *tables]).combine_chunks()
