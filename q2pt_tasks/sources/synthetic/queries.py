"""The queries that the shoppers of one store may type, what each of them means, and how often it is typed.

Every store has as large a pool of queries: how many of them its log shows is a matter of its traffic alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from q2pt_tasks.sources.synthetic.brands import FAMILIES, MOST_MEANINGS
from q2pt_tasks.sources.synthetic.nouns import Noun, Vocabulary, nouns_of
from q2pt_tasks.sources.synthetic.words import Lexicon, generator, stable_number

NOUN_FIRST = frozenset({"fr", "es", "it", "pt"})
UNSPACED = frozenset({"ja", "zh"})
ADJECTIVES_BEFORE = ("quality", "brand", "audience", "colour", "material", "noun", "audience phrase", "size")
ADJECTIVES_AFTER = ("noun", "brand", "material", "colour", "audience", "audience phrase", "quality", "size")

# How likely a query has each part besides its noun, where the part makes sense for the type.
PART_CHANCES = {"brand": 0.2, "colour": 0.3, "material": 0.2, "audience": 0.25, "quality": 0.15, "size": 0.15}
MISSPELT_SHARE = 0.06
# Zipf-Mandelbrot: the query of rank r is typed in proportion to (r + OFFSET) ** -EXPONENT. An exponent above 1 gives
# the few queries that return every minute, the offset keeps the first of them from being a tenth of the log.
ZIPF_EXPONENT, ZIPF_OFFSET = 1.4, 20.0
PLANTED_PARTS = {"colour": 5, "quality": 3, "audience": 3, "brand": 4}
PLANTED_RANKS = 2_000


@dataclass(frozen=True)
class QueryPool:
    """The queries of one store, those built around a planted word first.

    Attributes:
        texts: distinct queries, shape (queries,).
        types: indices of the product types whose products are clicked, the last one by mistake, (queries, 4).
        upper_shares: the cumulative click shares of the first three types; the rest falls to the last, (queries, 3).
        weights: how often each query is typed; sums to one, (queries,).
        planted: how many queries at the start are built around a planted word.
    """

    texts: pa.Array
    types: NDArray[np.int64]
    upper_shares: NDArray[np.float64]
    weights: NDArray[np.float64]
    planted: int


@dataclass(frozen=True)
class _Draws:
    """Queries as they were drawn; the same text may stand there more than once."""

    texts: pa.Array
    types: NDArray[np.int64]  # (draws, 3), -1 where a query has fewer meanings


def make_query_pool(vocabulary: Vocabulary, draws: int, seed: int) -> QueryPool:
    """The pool that `draws` queries make, of which the same ones count once."""
    rng = generator(seed, vocabulary.locale, "queries")
    planted = planted_texts(vocabulary)
    index = {name: number for number, name in enumerate(vocabulary.families)}
    planted_types = _padded([(index[name],) for name in planted.values()])
    ordinary = _draw_queries(vocabulary, draws, rng)

    texts = pa.chunked_array([pa.array(planted, pa.string()), ordinary.texts]).combine_chunks()
    distinct, first, times = _distinct(texts)
    popularity = times + rng.random(len(times))
    ranked = np.sort(popularity[len(planted) :])[::-1]
    popularity[: len(planted)] = ranked[rng.integers(0, min(PLANTED_RANKS, len(ranked)), len(planted))]
    types, upper_shares = _click_shares(np.concatenate([planted_types, ordinary.types])[first], len(index), rng)
    return QueryPool(distinct, types, upper_shares, _zipf(popularity), len(planted))


def planted_texts(vocabulary: Vocabulary) -> dict[str, str]:
    """Every query built around a planted word -> the type that it means in the store; the same texts in each store."""
    return {
        text: product_type
        for word, product_type in sorted(vocabulary.planted.items())
        for text in _planted_around(word, vocabulary.lexicon, vocabulary.language)
    }


def compose(parts: Mapping[str, pa.Array], language: str) -> pa.Array:
    """The parts of each query, null where it lacks one, joined in the word order of `language`."""
    phrase = pc.match_substring(parts["audience"], " ")
    placed = dict(parts) | {
        "audience": pc.if_else(phrase, None, parts["audience"]),
        "audience phrase": pc.if_else(phrase, parts["audience"], None),
    }
    order = ADJECTIVES_AFTER if language in NOUN_FIRST else ADJECTIVES_BEFORE
    texts = pc.binary_join_element_wise(*(placed[slot] for slot in order), " ", null_handling="skip")
    return pc.replace_substring(texts, " ", "") if language in UNSPACED else texts


def misspell(text: str, mistake: int, position: int) -> str:
    """`text` with two letters swapped (mistake 0), one dropped (1) or doubled (2); unchanged where no letter stands."""
    at = 1 + position % max(len(text) - 2, 1)
    letter, following = text[at : at + 1], text[at + 1 : at + 2]
    if not (letter + following).isalpha() or not following:
        return text
    return text[:at] + (following + letter, following, letter + letter + following)[mistake] + text[at + 2 :]


def _planted_around(word: str, lexicon: Lexicon, language: str) -> list[str]:
    """The word alone, then with one modifier; which brands depends on the word, for brands hint at a type."""
    brands = sorted(
        {brand for family in FAMILIES.values() for brand in family.brands}, key=lambda b: stable_number(word, b)
    )
    words = {**lexicon.modifiers, "brand": brands}
    added = [(slot, text) for slot, count in PLANTED_PARTS.items() for text in words[slot][:count]]
    columns = {
        slot: pa.array([None] + [text if slot == kind else None for kind, text in added], pa.string())
        for slot in PART_CHANCES
    }
    texts: list[str] = compose({"noun": pa.repeat(word, len(added) + 1), **columns}, language).to_pylist()
    return texts


def _draw_queries(vocabulary: Vocabulary, draws: int, rng: np.random.Generator) -> _Draws:
    nouns = list(nouns_of(vocabulary, rng))
    upto = np.cumsum([noun.weight for noun in nouns])
    chosen = np.searchsorted(upto, rng.random(draws) * upto[-1], side="right").clip(max=len(nouns) - 1)
    parts = {slot: _draw_part(slot, vocabulary.lexicon, nouns, chosen, rng) for slot in PART_CHANCES}
    noun_texts = pa.array([noun.text for noun in nouns]).take(pa.array(chosen))
    texts = compose({"noun": noun_texts, **parts}, vocabulary.language)
    if vocabulary.language not in UNSPACED:
        texts = _with_misspellings(texts, rng)
    return _Draws(texts, _padded([noun.types for noun in nouns])[chosen])


def _draw_part(
    slot: str, lexicon: Lexicon, nouns: list[Noun], chosen: NDArray[np.int64], rng: np.random.Generator
) -> pa.Array:
    """For each chosen noun one of the words that `slot` offers for its family, or null."""
    offers = [_offers(slot, family, lexicon) for family in FAMILIES]
    starts = dict(zip(FAMILIES, np.cumsum([0] + [len(words) for words in offers]), strict=False))
    counts = dict(zip(FAMILIES, map(len, offers), strict=True))
    start = np.array([starts[noun.family] for noun in nouns])[chosen]
    count = np.array([counts[noun.family] if slot in noun.parts else 0 for noun in nouns])[chosen]
    lot, pick = rng.random((2, len(chosen)))
    absent = (lot >= PART_CHANCES[slot]) | (count == 0)
    # The square makes the first words of a list the usual ones.
    positions = start + (pick * pick * count).astype(np.int64)
    return pa.array(list(chain.from_iterable(offers)), pa.string()).take(pa.array(positions, mask=absent))


def _offers(slot: str, family: str, lexicon: Lexicon) -> tuple[str, ...]:
    if slot == "brand":
        return FAMILIES[family].brands
    return FAMILIES[family].sizes if slot == "size" else lexicon.modifiers[slot]


def _with_misspellings(texts: pa.Array, rng: np.random.Generator) -> pa.Array:
    wrong = rng.random(len(texts)) < MISSPELT_SHARE
    mistakes = rng.integers(0, 3, wrong.sum()).tolist()
    positions = rng.integers(0, 1 << 30, wrong.sum()).tolist()
    rewritten = map(misspell, texts.filter(pa.array(wrong)).to_pylist(), mistakes, positions)
    return pc.replace_with_mask(texts, pa.array(wrong), pa.array(list(rewritten), pa.string()))


def _padded(types: list[tuple[int, ...]]) -> NDArray[np.int64]:
    padded = [one + (-1,) * (MOST_MEANINGS - len(one)) for one in types]
    return np.array(padded, np.int64).reshape(-1, MOST_MEANINGS)


def _distinct(texts: pa.Array) -> tuple[pa.Array, NDArray[np.int64], NDArray[np.int64]]:
    """The distinct texts in the order of their first occurrence, where that was, and how often each occurs."""
    encoded = texts.dictionary_encode()
    _, first, times = np.unique(encoded.indices.to_numpy(), return_index=True, return_counts=True)
    return encoded.dictionary, first, times


def _click_shares(
    meanings: NDArray[np.int64], type_count: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """`QueryPool.types` and `QueryPool.upper_shares` of queries with these meanings."""
    strength = np.where(meanings >= 0, 0.5 + rng.random(meanings.shape), 0.0)
    upto = np.cumsum(strength, axis=1)
    mistaken = 0.01 + 0.05 * rng.random((len(meanings), 1))
    # Neighbours in the list of types are alike, so a shopper's mistake lands there.
    wrong = (meanings[:, :1] + rng.integers(1, 6, (len(meanings), 1))) % type_count
    return np.hstack([meanings.clip(min=0), wrong]), upto / upto[:, -1:] * (1 - mistaken)


def _zipf(popularity: NDArray[np.float64]) -> NDArray[np.float64]:
    ranks = np.empty(len(popularity))
    ranks[np.argsort(-popularity, kind="stable")] = np.arange(len(popularity))
    weights = (ranks + ZIPF_OFFSET) ** -ZIPF_EXPONENT
    shares: NDArray[np.float64] = weights / weights.sum()
    return shares
