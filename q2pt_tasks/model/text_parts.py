"""The words of a query and the parts of them, as numbers that are the same in every process and on every machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from q2pt_tasks.model.examples import Int64Array, Packed

# The name under which checkpoints record what the parts of a query are: a model must not be asked with others.
FORM = "words-and-parts-2"

# Any odd number has an inverse modulo 2**64; the base of the hash is one whose bits look random.
_BASE = 0x9E3779B97F4A7C15
_INVERSE = pow(_BASE, -1, 2**64)
_BLANK = ord(" ")

_Hashes = NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class Typed:
    """What shoppers typed, and where.

    Attributes:
        queries: in their normal form: no blank but single ones between words.
        stores: the name of each query's store; empty where the model is not told it.
    """

    queries: Sequence[str]
    stores: Sequence[str]

    @classmethod
    def somewhere(cls, queries: Sequence[str]) -> Self:
        """For a model that is not told the store."""
        return cls(queries, [""] * len(queries))

    def __len__(self) -> int:
        return len(self.queries)

    def stretch(self, start: int, end: int) -> "Typed":
        return Typed(self.queries[start:end], self.stores[start:end])

    def select(self, rows: Int64Array) -> "Typed":
        return Typed([self.queries[row] for row in rows], [self.stores[row] for row in rows])


def parts_of(typed: Typed, longest: int) -> Packed:
    """The parts of each query, as hashes of 64 bits, ascending, each once.

    A word counts with a blank on either side. Its parts are the word as a whole, and all that is 1 to `longest`
    characters long, but for the blank alone. Text without blanks, as in Japanese, is one word. In a store that is told,
    each word is one more part, as the word of that store: words mean other things in another one.

    Args:
        typed: the queries.
        longest: characters of the longest part, at least 1.
    """
    queries = typed.queries
    text = _code_points(queries)
    owners = np.repeat(np.arange(len(queries) + 1), [*(len(query) + 1 for query in queries), 1])
    starts, ends = _spans(text == _BLANK, longest)
    # The blank between two queries opens the later one; the last blank opens none.
    owned = owners[starts] < len(queries)
    starts, ends = starts[owned], ends[owned]
    hashes, owners = _hashes(text, starts, ends), owners[starts]
    is_word = (text[starts] == _BLANK) & (text[ends - 1] == _BLANK)
    of_stores, of_those = _words_of_stores(hashes[is_word], owners[is_word], typed.stores)
    return _packed(np.concatenate([hashes, of_stores]), np.concatenate([owners, of_those]), len(queries))


def _words_of_stores(words: Int64Array, owners: Int64Array, stores: Sequence[str]) -> tuple[Int64Array, Int64Array]:
    """The words that were typed in a store that is told, as words of that store, and whose they are."""
    names, places = np.unique(np.array([*stores, ""]), return_inverse=True)
    text = _code_points(names.tolist())
    lengths = np.array([len(name) + 1 for name in names.tolist()])
    ends = np.cumsum(lengths)
    own = _hashes(text, ends - lengths, ends)[places[owners]]
    told = places[owners] != places[-1]
    crossed = _mixed((words[told].view(np.uint64) * np.uint64(_BASE)) ^ own[told].view(np.uint64))
    return crossed.view(np.int64), owners[told]


def _code_points(queries: Sequence[str]) -> NDArray[np.uint32]:
    """The queries' characters, a blank before each query and one after the last."""
    text = "".join(f" {query}" for query in queries) + " "
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


def _spans(blanks: NDArray[np.bool_], longest: int) -> tuple[Int64Array, Int64Array]:
    """Where the parts start, and where they end, behind their last characters."""
    before = np.concatenate([[0], np.cumsum(blanks)])
    positions = np.arange(len(blanks))
    starts, ends = [], []
    for length in range(1, longest + 1):
        first = positions[: max(0, len(blanks) - length + 1)]
        # Blanks stand at the ends of a part only, and not alone.
        inner = before[first + length - 1] - before[np.minimum(first + 1, first + length - 1)]
        is_part = (inner == 0) & (before[first + length] - before[first] < length)
        starts.append(first[is_part])
        ends.append(first[is_part] + length)
    around = np.flatnonzero(blanks)
    is_word = np.diff(around) > 1
    return np.concatenate([*starts, around[:-1][is_word]]), np.concatenate([*ends, around[1:][is_word] + 1])


def _hashes(text: NDArray[np.uint32], starts: Int64Array, ends: Int64Array) -> Int64Array:
    """Polynomial hashes of the spans of the text, all at once: differences of one running sum.

    Modulo 2**64 the low bits of a polynomial see little of the text: at the end the bits are mixed (Steele, Lea and
    Flood 2014, SplitMix64).
    """
    running = np.concatenate([np.zeros(1, np.uint64), np.cumsum(text * _powers(_BASE, len(text)))])
    return _mixed((running[ends] - running[starts]) * _powers(_INVERSE, len(text))[starts]).view(np.int64)


def _mixed(hashes: _Hashes) -> _Hashes:
    hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: _Hashes = hashes ^ (hashes >> np.uint64(31))
    return mixed


def _powers(base: int, count: int) -> _Hashes:
    """`base` to the powers from 0 to `count - 1`, modulo 2**64."""
    factors = np.full(count, base, dtype=np.uint64)
    factors[:1] = 1
    return np.cumprod(factors)


def _packed(hashes: Int64Array, owners: Int64Array, queries: int) -> Packed:
    """The hashes of each query, ascending, each once."""
    order = np.lexsort((hashes, owners))
    hashes, owners = hashes[order], owners[order]
    is_first = np.ones(len(hashes), dtype=bool)
    is_first[1:] = (hashes[1:] != hashes[:-1]) | (owners[1:] != owners[:-1])
    counts = np.bincount(owners[is_first], minlength=queries)
    return Packed(hashes[is_first], np.concatenate([[0], np.cumsum(counts)]))
