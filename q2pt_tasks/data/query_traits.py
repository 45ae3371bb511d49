"""What can be seen of a query without knowing what it means: its length, its script, a brand in it."""

import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import groupby

LENGTHS = ("1 to 5 characters", "6 to 10 characters", "11 to 20 characters", "21 characters or more")
_LENGTH_STARTS = (6, 11, 21)
NO_LETTERS = "no letters"
# The first word of a character's Unicode name, where the script has a better known name.
_SCRIPT_NAMES = {"CJK": "Han", "HIRAGANA": "Kana", "KATAKANA": "Kana", "KATAKANA-HIRAGANA": "Kana"}


def length_of(query: str) -> int:
    """The index in `LENGTHS` of a query's length; white space counts, for scripts without it have no words to count."""
    return bisect_right(_LENGTH_STARTS, len(query))


def script_of(query: str) -> str:
    """The script of most of the query's letters, of equals the first one: such as Latin, Han, Kana, Cyrillic."""
    scripts = [_script(character) for character in query if character.isalpha()]
    return max(scripts, key=scripts.count) if scripts else NO_LETTERS


class BrandFinder:
    """Finds brands in queries.

    A brand is found where its words stand one after the other. White space divides words, and so does a change of
    script or from letters to digits: a Latin brand is found inside Japanese text, a Han brand inside Han text is not.

    Args:
        brands: in their normal form, as queries are.
    """

    def __init__(self, brands: Iterable[str]) -> None:
        known = {words for brand in brands if (words := _words(brand))}
        self._lengths = sorted({len(words) for words in known})
        self._known = known

    def is_in(self, query: str) -> bool:
        words = _words(query)
        return any(
            words[start : start + length] in self._known
            for length in self._lengths
            for start in range(len(words) - length + 1)
        )


def _words(text: str) -> tuple[str, ...]:
    runs: Sequence[tuple[str, str]] = [(kind, "".join(run)) for kind, run in groupby(text, _kind)]
    return tuple(run for kind, run in runs if kind)


def _kind(character: str) -> str:
    """What makes neighbours one word: their script, or being digits or signs; empty for white space."""
    if character.isspace():
        return ""
    if character.isalpha():
        return _script(character)
    return "digit" if character.isdigit() else "sign"


@lru_cache(maxsize=1 << 16)
def _script(letter: str) -> str:
    first = unicodedata.name(letter, "OTHER").split(" ", 1)[0]
    return _SCRIPT_NAMES.get(first, first.capitalize())
