"""Queries that are typed in two stores and mean other things there, ranked and sorted by what the log shows.

The paper compares pairs of locales and sorts what makes them differ (arXiv 2410.07121; its categories are not known
here). The rules below are ours, and read nothing but clicks and catalogs.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import combinations

import pyarrow as pa

KINDS = ("language", "dialect", "culture", "assortment")
# Clicks with which a store is drawn towards what both mean together: a few clicks are weak evidence of a difference.
PRIOR_CLICKS = 10.0


@dataclass(frozen=True)
class Meaning:
    """What a query means in one store: its product types with their shares of the clicks, and the number of clicks."""

    shares: Mapping[str, float]
    clicks: int

    @property
    def best(self) -> str:
        return max(self.shares, key=lambda name: (self.shares[name], name))


@dataclass(frozen=True)
class Divergence:
    """One query in two stores whose best product types differ.

    Attributes:
        distance: how far apart the meanings are, 0 to 1, less for few clicks.
        kind: one of `KINDS`.
    """

    query: str
    locales: tuple[str, str]
    meanings: tuple[Meaning, Meaning]
    distance: float
    kind: str


def read_meanings(labeled: Mapping[str, pa.Table]) -> dict[str, dict[str, Meaning]]:
    """Query -> locale -> meaning.

    Args:
        labeled: per locale a table of schema `data.labels.LABELS`.
    """
    found: dict[str, dict[str, Meaning]] = {}
    for locale, table in labeled.items():
        for row in table.to_pylist():
            meaning = Meaning(dict(zip(row["product_types"], row["shares"], strict=True)), row["clicks"])
            found.setdefault(row["query"], {})[locale] = meaning
    return found


def find_divergences(
    meanings: Mapping[str, Mapping[str, Meaning]], sold: Mapping[str, AbstractSet[str]]
) -> list[Divergence]:
    """Every query and pair of stores whose best types differ, the farthest apart first.

    Args:
        meanings: as `read_meanings` gives them.
        sold: per locale the product types of its catalog.
    """
    found = [
        Divergence(
            query, (one, other), pair := (own[one], own[other]), distance(*pair), kind_of((one, other), pair, sold)
        )
        for query, own in meanings.items()
        for one, other in combinations(sorted(own), 2)
        if own[one].best != own[other].best
    ]
    return sorted(found, key=lambda divergence: (-divergence.distance, divergence.query, divergence.locales))


def distance(one: Meaning, other: Meaning) -> float:
    """Total variation distance of the click shares, each drawn towards their common mean by `PRIOR_CLICKS` clicks."""
    types = {*one.shares, *other.shares}
    clicks = one.clicks + other.clicks
    common = {name: (_clicks(one, name) + _clicks(other, name)) / clicks for name in types}
    return sum(abs(_drawn(one, name, common) - _drawn(other, name, common)) for name in types) / 2


def kind_of(locales: tuple[str, str], meanings: tuple[Meaning, Meaning], sold: Mapping[str, AbstractSet[str]]) -> str:
    """Why two stores differ, as far as a log can tell.

    - assortment: the best type of one is not sold by the other.
    - culture: they share a type, and prefer another one: the same words for the same things, other habits.
    - language: they share none, and their languages differ: the same letters, another word.
    - dialect: they share none, and speak one language.
    """
    one, other = meanings
    if one.best not in sold[locales[1]] or other.best not in sold[locales[0]]:
        return "assortment"
    if set(one.shares) & set(other.shares):
        return "culture"
    languages = {locale.split("-")[0] for locale in locales}
    return "language" if len(languages) > 1 else "dialect"


@dataclass(frozen=True)
class Ranking:
    """How well a ranking finds what is true.

    Attributes:
        true: how many there are to find.
        found: how many of them are in the ranking at all.
        at: number of the first places -> (precision, recall) there.
        average_precision: mean of the precision at each true one, 0 for one that is not in the ranking.
    """

    true: int
    found: int
    at: Mapping[int, tuple[float, float]]
    average_precision: float


def judge(ranking: Sequence[object], truth: AbstractSet[object], places: Sequence[int]) -> Ranking:
    """The ranking, best first, against `truth`, which is not empty."""
    hits, precisions, upto = 0, 0.0, []
    for place, item in enumerate(ranking, start=1):
        if item in truth:
            hits += 1
            precisions += hits / place
        upto.append(hits)
    at = {
        place: (upto[min(place, len(upto)) - 1] / min(place, len(upto)), upto[min(place, len(upto)) - 1] / len(truth))
        for place in places
        if upto
    }
    return Ranking(len(truth), hits, at, precisions / len(truth))


def _clicks(meaning: Meaning, name: str) -> float:
    return meaning.shares.get(name, 0.0) * meaning.clicks


def _drawn(meaning: Meaning, name: str, common: Mapping[str, float]) -> float:
    return (_clicks(meaning, name) + PRIOR_CLICKS * common[name]) / (meaning.clicks + PRIOR_CLICKS)
