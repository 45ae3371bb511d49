"""What queries can be about: the name of a product type, a model, or a brand alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from q2pt_tasks.sources.synthetic.brands import FAMILIES, MOST_MEANINGS, brand_types, model_name
from q2pt_tasks.sources.synthetic.words import Lexicon

TERM_SHARE, MODEL_SHARE, BRAND_SHARE = 0.8, 0.14, 0.06


@dataclass(frozen=True)
class Vocabulary:
    """What the queries of one store are made of.

    Attributes:
        locale, language: the store and what its shoppers speak.
        lexicon: the language's words.
        planted: the words that mean another type in another store -> the type that they mean here.
        families: the family of each product type that the store sells, in the order of `Shelf.types`.
    """

    locale: str
    language: str
    lexicon: Lexicon
    planted: Mapping[str, str]
    families: Mapping[str, str]


@dataclass(frozen=True)
class Noun:
    """What a query is about.

    Attributes:
        text: the words.
        types: the indices of the types that it means, three at most.
        family: the family of the first of them.
        parts: what else a query with this noun may have: modifiers, a brand, a size.
        weight: how often it is typed; the weights of all nouns sum to one.
    """

    text: str
    types: tuple[int, ...]
    family: str
    parts: frozenset[str]
    weight: float


def nouns_of(vocabulary: Vocabulary, rng: np.random.Generator) -> Iterator[Noun]:
    """Everything that a query can be about, with how often: some types are wanted far more than others."""
    types = list(vocabulary.families)
    wanted = dict(zip(types, 1 / np.sqrt(5.0 + rng.permutation(len(types))), strict=True))
    yield from _scaled(_terms(vocabulary, wanted), TERM_SHARE)
    yield from _scaled(_models(vocabulary, wanted), MODEL_SHARE)
    yield from _scaled(_brands(vocabulary), BRAND_SHARE)


def _scaled(nouns: list[Noun], share: float) -> Iterator[Noun]:
    total = sum(noun.weight for noun in nouns)
    return (Noun(noun.text, noun.types, noun.family, noun.parts, share * noun.weight / total) for noun in nouns)


def _terms(vocabulary: Vocabulary, wanted: Mapping[str, float]) -> list[Noun]:
    """The names of the types; a name of several types means all of them."""
    meanings: dict[str, list[int]] = {}
    weights: dict[str, float] = {}
    for number, name in enumerate(vocabulary.families):
        for place, term in enumerate(vocabulary.lexicon.terms.get(name, ()), start=1):
            # A planted word means here what `planted` says, and is typed in the queries of `planted_texts` only.
            if term not in vocabulary.planted:
                meanings.setdefault(term, []).append(number)
                weights[term] = weights.get(term, 0.0) + wanted[name] / place
    families = list(vocabulary.families.values())
    return [
        Noun(term, tuple(types[:MOST_MEANINGS]), families[types[0]], _term_parts(families[types[0]]), weights[term])
        for term, types in meanings.items()
    ]


def _term_parts(family: str) -> frozenset[str]:
    return FAMILIES[family].modifiers | {"brand", "size"}


def _models(vocabulary: Vocabulary, wanted: Mapping[str, float]) -> list[Noun]:
    return [
        Noun(model_name(brand, name), (number,), family, frozenset({"colour"}), wanted[name])
        for number, (name, family) in enumerate(vocabulary.families.items())
        for brand in FAMILIES[family].brands
    ]


def _brands(vocabulary: Vocabulary) -> list[Noun]:
    """Brands typed alone: the clicks spread over what each is known for."""
    numbers = {name: number for number, name in enumerate(vocabulary.families)}
    families = list(vocabulary.families.values())
    return [
        Noun(brand, (known := tuple(numbers[name] for name in names)), families[known[0]], frozenset({"quality"}), 1.0)
        for brand, names in brand_types(vocabulary.families).items()
    ]
