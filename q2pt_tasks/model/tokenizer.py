"""Tokenizers: that of the pre-trained encoder, or one trained on the training queries."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from q2pt_tasks.model.encoder import EncoderParams

_PAD, _UNKNOWN, _FIRST, _LAST, _MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"


class EncoderNotFoundError(ValueError):
    """The encoder that the params name cannot be loaded."""


def load_pretrained_tokenizer(encoder: EncoderParams) -> PreTrainedTokenizerFast:
    """The fast tokenizer that belongs to a pre-trained encoder.

    Raises:
        EncoderNotFoundError: there is no such encoder, or it has no fast tokenizer.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(encoder.name, revision=encoder.revision)
    except (OSError, ValueError) as error:
        raise EncoderNotFoundError(encoder_not_found(encoder, error)) from error
    if not tokenizer.is_fast:
        raise EncoderNotFoundError(
            f"encoder.name {encoder.name!r}: it has no fast tokenizer; choose an encoder with one"
        )
    return cast(PreTrainedTokenizerFast, tokenizer)


def encoder_not_found(encoder: EncoderParams, error: Exception) -> str:
    """What to tell a user whose encoder cannot be loaded."""
    reason = str(error).strip().splitlines()[0]
    return (
        f"encoder.name {encoder.name!r} (revision {encoder.revision!r}) cannot be loaded: {reason} "
        "Give 'scratch', the name of a Hugging Face model that this machine can reach, or a directory that holds one."
    )


def train_tokenizer(queries: Sequence[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """A byte-pair tokenizer of at most `vocabulary` pieces, learnt from normalised `queries`.

    Works without spaces between words too (Japanese, Chinese): pieces never cross a space, and need none.
    """
    # The merges of equal count are chosen in an order that depends on threads.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    tokenizer = Tokenizer(models.BPE(unk_token=_UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    special = [_PAD, _UNKNOWN, _FIRST, _LAST, _MASK]
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(sorted(queries), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{_FIRST} $A {_LAST}", special_tokens=[(_FIRST, special.index(_FIRST)), (_LAST, special.index(_LAST))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=_PAD,
        unk_token=_UNKNOWN,
        cls_token=_FIRST,
        sep_token=_LAST,
        mask_token=_MASK,
    )


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer that a stage of this pipeline saved."""
    return cast(PreTrainedTokenizerFast, AutoTokenizer.from_pretrained(folder))


def encode_queries(tokenizer: PreTrainedTokenizerFast, queries: Sequence[str], max_tokens: int) -> list[list[int]]:
    """Token ids of normalised queries with the tokenizer's first and last token, at most `max_tokens` each."""
    if not queries:
        return []
    encoded = tokenizer(list(queries), truncation=True, max_length=max_tokens, return_attention_mask=False)
    ids: list[list[int]] = encoded["input_ids"]
    return ids


def unknown_share(tokenizer: PreTrainedTokenizerFast, token_ids: Sequence[Sequence[int]]) -> float:
    """Share of unknown pieces among all, the first and last token of each query left out."""
    unknown = tokenizer.unk_token_id
    total = sum(max(0, len(ids) - 2) for ids in token_ids)
    return sum(ids.count(unknown) for ids in map(list, token_ids)) / total if total else 0.0
