"""Tokenizers: that of the pre-trained encoder, or one trained on the training queries."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

_PAD, _UNKNOWN, _FIRST, _LAST, _MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
_TOKENIZER, _CONFIG = "tokenizer.json", "tokenizer_config.json"


class EncoderNotFoundError(ValueError):
    """The pre-trained encoder cannot be loaded."""


class TokenizerError(ValueError):
    """A directory holds no tokenizer that this code can read."""


@dataclass(frozen=True)
class QueryTokenizer:
    """A tokenizer in the format of Hugging Face, read without the library `transformers`, which is slow to start.

    Attributes:
        pieces: what turns text into token ids.
        config: content of `tokenizer_config.json`.
    """

    pieces: Tokenizer
    config: Mapping[str, Any]

    def __len__(self) -> int:
        return int(self.pieces.get_vocab_size(with_added_tokens=True))

    @property
    def pad_token(self) -> int:
        """The token id of padding."""
        return self._special("pad_token")

    @property
    def unknown_token(self) -> int:
        """The token id of a piece that the tokenizer does not know."""
        return self._special("unk_token")

    def id_of(self, token: str) -> int:
        """The id of a token that the tokenizer has.

        Raises:
            TokenizerError: it has not.
        """
        token_id = self.pieces.token_to_id(token)
        if token_id is None:
            raise TokenizerError(f"the tokenizer has no token {token!r}")
        return int(token_id)

    def add(self, tokens: Sequence[str]) -> None:
        """Adds special tokens at the end of the vocabulary."""
        self.pieces.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in tokens])

    def encode(self, queries: Sequence[str], max_tokens: int) -> list[list[int]]:
        """Token ids of normalised queries with the tokenizer's first and last token, at most `max_tokens` each."""
        self.pieces.enable_truncation(max_tokens)
        self.pieces.no_padding()
        return [encoded.ids for encoded in self.pieces.encode_batch_fast(list(queries))]

    def save(self, folder: Path) -> None:
        """Writes files that Hugging Face's `AutoTokenizer` opens."""
        folder.mkdir(parents=True, exist_ok=True)
        self.pieces.no_truncation()
        self.pieces.save(str(folder / _TOKENIZER))
        config = json.dumps(self.config, indent=1, ensure_ascii=False, sort_keys=True)
        (folder / _CONFIG).write_text(config + "\n", encoding="utf-8")

    def _special(self, name: str) -> int:
        token = self.config.get(name)
        if token is None:
            raise TokenizerError(f"the tokenizer names no {name}: choose an encoder that has one")
        # An old file describes the token in full.
        content = token.get("content") if isinstance(token, Mapping) else token
        if not isinstance(content, str):
            raise TokenizerError(f"the tokenizer says its {name} as {token!r}, which is no text")
        return self.id_of(content)


def load_tokenizer(folder: Path) -> QueryTokenizer:
    """The tokenizer that a stage of this pipeline saved.

    Raises:
        TokenizerError: there is none, or its files are damaged.
    """
    try:
        config, pieces = (json.loads((folder / name).read_text(encoding="utf-8")) for name in (_CONFIG, _TOKENIZER))
    except FileNotFoundError as error:
        raise TokenizerError(f"{error.filename} not found: {folder} holds no tokenizer") from None
    except (ValueError, RecursionError) as error:
        raise TokenizerError(f"the tokenizer in {folder} is not readable JSON: {error}") from None
    if not isinstance(config, dict):
        raise TokenizerError(f"{folder / _CONFIG} is no object with keys")
    try:
        return QueryTokenizer(Tokenizer.from_str(json.dumps(pieces)), config)
    except Exception as error:  # the library has no other class
        raise TokenizerError(f"the tokenizer in {folder} cannot be read: {error}") from None


def save_pretrained_tokenizer(encoder: Path, folder: Path) -> None:
    """Writes the fast tokenizer of the pre-trained encoder in the folder `encoder` to `folder`, for `load_tokenizer`.

    Raises:
        EncoderNotFoundError: there is no encoder, or it has no fast tokenizer.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(encoder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise EncoderNotFoundError(encoder_not_found(encoder, error)) from error
    if not tokenizer.is_fast:
        raise EncoderNotFoundError(f"the encoder in {encoder} has no fast tokenizer: choose another (encoder.name)")
    tokenizer.save_pretrained(folder)


def encoder_not_found(encoder: Path, error: Exception) -> str:
    """What to tell a user whose encoder, in the folder `encoder`, cannot be loaded."""
    reason = str(error).strip().splitlines()[0]
    return (
        f"the encoder in {encoder} cannot be loaded: {reason} Give 'scratch' as encoder.name, or a model that "
        "Hugging Face's transformers open as it is."
    )


def train_tokenizer(queries: Iterable[str], vocabulary: int) -> QueryTokenizer:
    """A byte-pair tokenizer of at most `vocabulary` pieces, learnt from normalised `queries`, which are read once.

    Works without spaces between words too (Japanese, Chinese): pieces never cross a space, and need none.
    """
    # The merges of equal count are chosen in an order that depends on threads.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    tokenizer = Tokenizer(models.BPE(unk_token=_UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    special = [_PAD, _UNKNOWN, _FIRST, _LAST, _MASK]
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(queries, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{_FIRST} $A {_LAST}", special_tokens=[(_FIRST, special.index(_FIRST)), (_LAST, special.index(_LAST))]
    )
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": _PAD,
        "unk_token": _UNKNOWN,
        "cls_token": _FIRST,
        "sep_token": _LAST,
        "mask_token": _MASK,
    }
    return QueryTokenizer(tokenizer, config)
