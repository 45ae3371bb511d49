"""What a query is to the pipeline: one normal form, one hash."""

import hashlib
import unicodedata

# The name under which checkpoints record the normal form: a model must not be asked in another one.
NORMALISATION = "nfkc-casefold-1"

# Left-to-right and right-to-left marks, embeddings, overrides and isolates: they turn text around and mean nothing.
_DIRECTION_MARKS = dict.fromkeys([0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])


def normalise_query(query: str) -> str:
    """The normal form of a query: compatibility characters folded, no case, no direction marks, single spaces.

    Follows Unicode's NFKC_Casefold (UAX 44), which folds case on the decomposed text and composes again, so that
    the result is its own normal form.
    """
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", query).casefold())
    folded = unicodedata.normalize("NFKC", decomposed.casefold())
    return " ".join(folded.translate(_DIRECTION_MARKS).split())


def query_hash(text: str) -> int:
    """The first 8 bytes of the MD5 of the text's UTF-8, as a number of 64 bits: the same on every engine."""
    return int.from_bytes(hashlib.md5(text.encode(), usedforsecurity=False).digest()[:8], "big")


def query_position(query: str, salt: str) -> float:
    """Where a normalised query stands between 0 and 1, the same for ever and in every locale.

    Another salt gives an independent position.
    """
    return query_hash(f"{salt}:{query}") / 2.0**64
