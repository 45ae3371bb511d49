"""What a query is to the pipeline: one normal form, one hash."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

# Texts that are Python's at once, of all that Arrow holds.
_TEXTS_AT_ONCE = 65_536

# The name under which checkpoints record the normal form: a model must not be asked in another one.
NORMALISATION = "nfkc-casefold-1"

# A text without a match is its own normal form: letters of ASCII without case, single spaces between them. Most queries
# are such, and an engine finds them sooner than `normalise_query` is asked for each.
MAY_DIFFER = r"[^ -@\[-~]|^ | $|  "

_JOINERS = (0x200C, 0x200D)
_VARIATION_SELECTORS = range(0xFE00, 0xFE10)
_VARIES = re.compile("[\ufe00-\ufe0f]")


class _Visible(dict[int, int | None]):
    """What `str.translate` makes of a character: nothing, where it cannot be seen and means nothing.

    Such are format characters (direction marks, soft hyphens, zero-width spaces, byte order marks) and variation
    selectors. The joiners stay: they make one sign of several in emoji and in Persian.
    """

    def __missing__(self, code: int) -> int | None:
        # Looked up as characters come: a table of all of them would be made at every start.
        is_format = unicodedata.category(chr(code)) == "Cf" and code not in _JOINERS
        self[code] = None if is_format or code in _VARIATION_SELECTORS else code
        return self[code]


_VISIBLE = _Visible()


def normalise_query(query: str) -> str:
    """The normal form of a query: compatibility characters folded, no case, nothing invisible, single spaces.

    Close to Unicode's NFKC_Casefold (UAX 44), which folds case on the decomposed text and composes last, so that the
    result is its own normal form; that one removes joiners as well.
    """
    if query.isascii():
        # Unicode changes nothing in it but case. Most queries are such, and are done in a tenth of the time.
        return " ".join(query.lower().split())
    if _is_folded(query):
        return " ".join(query.split())
    return _fold(query)


def _is_folded(query: str) -> bool:
    """Whether `_fold` would change nothing but spaces; False where that is not certain.

    Python's printable characters are neither format characters nor spaces other than the plain one. No character that
    is composed and without case has parts with case, so a composed text without case is decomposed without it, too.
    """
    is_composed = query.isprintable() and unicodedata.is_normalized("NFKC", query)
    return is_composed and query.casefold() == query and not _VARIES.search(query)


def _fold(query: str) -> str:
    visible = query.translate(_VISIBLE)
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", visible).casefold())
    folded = unicodedata.normalize("NFKC", decomposed.casefold())
    return " ".join(folded.split())


def each_text(texts: pa.Array | pa.ChunkedArray) -> Iterator[str]:
    """The texts one after another; as Python's strings, three times as large, only some of them are in memory."""
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        yield from texts.slice(start, _TEXTS_AT_ONCE).to_pylist()


def query_hash(text: str) -> int:
    """The first 8 bytes of the MD5 of the text's UTF-8, as a number of 64 bits: the same on every engine."""
    return int.from_bytes(hashlib.md5(text.encode(), usedforsecurity=False).digest()[:8], "big")


def query_position(query: str, salt: str) -> float:
    """Where a normalised query stands between 0 and 1, the same for ever and in every locale.

    Another salt gives an independent position.
    """
    return query_hash(f"{salt}:{query}") / 2.0**64


def query_positions(queries: Iterable[str], salt: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The position of each of many normalised queries."""
    prefix, md5 = f"{salt}:".encode(), hashlib.md5
    # The hashes of `query_hash`, in one piece: half of its time for a single one is a call and a whole number.
    digests = bytearray()
    for query in queries:
        digests += md5(prefix + query.encode(), usedforsecurity=False).digest()
    return np.frombuffer(digests, ">u8")[::2] / 2.0**64
