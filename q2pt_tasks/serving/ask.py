"""Asks the exported model in whose folder this file lies, as in `python ask.py en-GB "red shoes"`.

It wants onnxruntime, tokenizers and NumPy, and nothing of what trained the model. For another language it says what to
do, function by function; `q2pt.json` has an `example` to compare with. `normalise` and `parts_of` are what the model
was trained on: in another form its answers are wrong without an error.
"""

import json
import sys
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
from onnxruntime.capi.onnxruntime_inference_collection import InferenceSession
from tokenizers import Tokenizer

# Characters that cannot be seen and mean nothing: these, and format characters but for the two joiners.
_VARIATION_SELECTORS = {chr(code) for code in range(0xFE00, 0xFE10)}
_JOINERS = {"\u200c", "\u200d"}
# Of the hash of a part.
_BASE = 0x9E3779B97F4A7C15
_ALL_BITS = 2**64 - 1


def normalise(query: str) -> str:
    """A query in the form that the model knows: compatibility characters folded, no case, single blanks."""
    visible = "".join(character for character in query if not _is_invisible(character))
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", visible).casefold())
    return " ".join(unicodedata.normalize("NFKC", decomposed.casefold()).split())


def _is_invisible(character: str) -> bool:
    is_format = unicodedata.category(character) == "Cf" and character not in _JOINERS
    return is_format or character in _VARIATION_SELECTORS


def parts_of(query: str, longest: int, store: str) -> list[int]:
    """The hashes of a normalised query's words and parts of words, each once, ascending, as signed numbers of 64 bits.

    A word counts with a blank on either side. Its parts are the word as a whole, and all that is 1 to `longest`
    characters long, but for the blank alone. With a `store`, each word is one more part: as a word of that store.
    """
    found = set()
    for word in (f" {word} " for word in query.split()):
        spans = {word[start : start + length] for length in range(1, longest + 1) for start in range(len(word))}
        found |= {_hash(span) for span in (spans - {" "}) | {word}}
        if store:
            found.add(_mixed((_hash(word) * _BASE & _ALL_BITS) ^ _hash(f" {store}")))
    return sorted(number - 2**64 if number >= 2**63 else number for number in found)


def _hash(text: str) -> int:
    """A polynomial of the code points, the first one its constant, modulo 2**64; then its bits are mixed."""
    total = 0
    for character in reversed(text):
        total = (total * _BASE + ord(character)) & _ALL_BITS
    return _mixed(total)


def _mixed(number: int) -> int:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014)."""
    number = (number ^ (number >> 30)) * 0xBF58476D1CE4E5B9 & _ALL_BITS
    number = (number ^ (number >> 27)) * 0x94D049BB133111EB & _ALL_BITS
    return number ^ (number >> 31)


class Model:
    """The exported model of a folder."""

    def __init__(self, folder: Path) -> None:
        self.contract: dict[str, Any] = json.loads((folder / "q2pt.json").read_text(encoding="utf-8"))
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(self.contract["max_tokens"])
        self._session = InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
        ngrams = self.contract["ngrams"]
        self._keys = None if ngrams is None else np.fromfile(folder / ngrams["keys"], dtype="<i8")

    def scores(self, query: str, locale: str) -> dict[str, float]:
        """Of every product type, 0 to 1; of those that the store does not sell too."""
        (scores,) = self._session.run(None, self.inputs(query, locale))
        return dict(zip(self.contract["product_types"], scores[0].tolist(), strict=True))

    def inputs(self, query: str, locale: str) -> dict[str, np.ndarray[Any, Any]]:
        """What the model reads, of one query in one row; of several, the shorter rows are padded at their ends.

        The token of a store goes behind the first one. Padding has an `attention_mask` of 0, and -1 as `part_ids`.
        """
        normalised = normalise(query)
        ids = self._tokenizer.encode(normalised).ids
        if self.contract["locale_tokens"] is not None:
            ids.insert(1, self.contract["locale_tokens"].get(locale, self.contract["unknown_locale_token"]))
        inputs = {"input_ids": np.array([ids], np.int64), "attention_mask": np.ones((1, len(ids)), np.int64)}
        return inputs if self._keys is None else {**inputs, "part_ids": self._part_ids(self._keys, normalised, locale)}

    def _part_ids(self, keys: np.ndarray[Any, Any], query: str, locale: str) -> np.ndarray[Any, Any]:
        """Where each part stands among the keys, which are ascending; for an unknown one, how many keys there are."""
        ngrams = self.contract["ngrams"]
        parts = np.array(parts_of(query, ngrams["longest"], ngrams["stores"].get(locale, "")), np.int64)
        places = np.searchsorted(keys, parts)
        is_known = places < len(keys)
        is_known[is_known] = keys[places[is_known]] == parts[is_known]
        return np.where(is_known, places, len(keys))[None]

    def predict(self, query: str, locale: str) -> list[tuple[str, float]]:
        """The product types that a query means in a store, best first, with their scores."""
        if self.contract["variant"] == "non_unified" and locale not in self.contract["locales"]:
            raise ValueError(f"the model is of {', '.join(self.contract['locales'])} alone, found {locale}")
        if not normalise(query):
            return []
        thresholds, unsold = self.contract["thresholds"], self.contract["unsold"].get(locale, ())
        otherwise = thresholds["by_locale"].get(locale, thresholds["overall"])
        limits = {name: thresholds["by_type"].get(name, otherwise) for name in self.contract["product_types"]}
        scores = {name: score for name, score in self.scores(query, locale).items() if name not in unsold}
        meant = [(name, score) for name, score in scores.items() if limits[name] is not None and score >= limits[name]]
        return sorted(meant, key=lambda one: -one[1])


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit('usage: python ask.py LOCALE QUERY..., such as python ask.py en-GB "red shoes"')
    model = Model(Path(__file__).parent)
    for asked in sys.argv[2:]:
        print(json.dumps({"query": asked, "product_types": model.predict(asked, sys.argv[1])}, ensure_ascii=False))
