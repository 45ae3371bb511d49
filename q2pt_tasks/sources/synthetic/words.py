"""The words of the synthetic shops: product types, what shoppers of a language call them, and the planted words.

The data files stand next to this module: `product_types.tsv`, `planted.tsv` and, for each language,
`lexicon/<language>.tsv` (a product type and its terms, the most usual first) and `lexicon/<language>.words.tsv`
(a kind of modifier and its words). To add a language, add its two files.
"""

import csv
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from q2pt_tasks.data.schema import check_locale

DATA = Path(__file__).parent
MODIFIERS = ("colour", "material", "audience", "quality")


class LexiconError(ValueError):
    """A language is not known, or one of its files cannot be used."""


@dataclass(frozen=True)
class Lexicon:
    """How shoppers of one language name things.

    Attributes:
        terms: the names of each product type, the most usual first.
        modifiers: the words of each kind in `MODIFIERS`, the most usual first.
    """

    terms: Mapping[str, tuple[str, ...]]
    modifiers: Mapping[str, tuple[str, ...]]


def generator(*parts: object) -> np.random.Generator:
    """A random generator that depends on `parts` alone: not on the machine, the process or the order of calls."""
    return np.random.Generator(np.random.PCG64(stable_number(*parts)))


def stable_number(*parts: object) -> int:
    """A number in [0, 2**64) that is the same for equal `parts` everywhere, unlike `hash`."""
    text = "\x1f".join(map(str, parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def language_of(locale: str) -> str:
    """The language of a locale: `en` of `en-GB`."""
    return check_locale(locale).split("-")[0]


def read_families(data: Path = DATA) -> dict[str, str]:
    """The family of each product type, in the order of the file."""
    return {row["product_type"]: row["family"] for row in _rows(data / "product_types.tsv")}


def read_planted(locale: str, data: Path = DATA) -> dict[str, str]:
    """The words that mean another type in another store of the language, with what they mean in this one."""
    return {row["word"]: row["product_type"] for row in _rows(data / "planted.tsv") if row["locale"] == locale}


def languages(data: Path = DATA) -> list[str]:
    """The languages that have both of their files."""
    folder = data / "lexicon"
    found = (path.name.removesuffix(".words.tsv") for path in folder.glob("*.words.tsv"))
    return sorted(language for language in found if (folder / f"{language}.tsv").is_file())


def read_lexicon(language: str, data: Path = DATA) -> Lexicon:
    """The lexicon of `language`.

    Raises:
        LexiconError: the language has no lexicon, or a file names an unknown product type or kind, or lacks a kind.
    """
    if language not in (known := languages(data)):
        raise LexiconError(f"no lexicon for the language '{language}'; known are {', '.join(known)}")
    folder = data / "lexicon"
    terms = _read_lists(folder / f"{language}.tsv", set(read_families(data)))
    modifiers = _read_lists(folder / f"{language}.words.tsv", set(MODIFIERS))
    if missing := sorted(set(MODIFIERS) - set(modifiers)):
        raise LexiconError(f"{folder / language}.words.tsv lacks {', '.join(missing)}; add a line for each")
    return Lexicon(terms, modifiers)


def _read_lists(path: Path, allowed: set[str]) -> dict[str, tuple[str, ...]]:
    lists: dict[str, tuple[str, ...]] = {}
    for row in _rows(path):
        key, words = row.values()
        if key not in allowed:
            raise LexiconError(f"{path}: unknown name '{key}' in the first column; allowed are {sorted(allowed)}")
        lists[key] = tuple(word.strip() for word in words.split("|") if word.strip())
    return {key: words for key, words in lists.items() if words}


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE, strict=True))
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise LexiconError(f"{path}, line {number}: expected as many columns as the header has, found {row}")
    return rows
