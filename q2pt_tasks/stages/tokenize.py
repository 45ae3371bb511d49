"""`tokenize`: training and validation queries become packed token ids, for unified and per-locale models."""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import Field

from q2pt_tasks.data.schema import Locales
from q2pt_tasks.engine.tables import write_table
from q2pt_tasks.layout import Layout
from q2pt_tasks.model.encoder import EncoderParams, read_encoder
from q2pt_tasks.model.examples import TOKENS
from q2pt_tasks.model.tokenizer import (
    QueryTokenizer,
    load_tokenizer,
    save_pretrained_tokenizer,
    train_tokenizer,
)
from q2pt_tasks.params import Section, read_section

# Test and forward queries are tokenised by the checkpoint's own tokenizer when it predicts, as a shopper's are.
_TOKENIZED_SPLITS = ("train", "validation")

Queries = Mapping[str, Mapping[str, pa.Table]]  # per split and locale


class TokenizeParams(Section):
    """The section `tokenize`."""

    max_unknown_share: Annotated[float, Field(ge=0, le=1)]


class UnknownPiecesError(ValueError):
    """The tokenizer does not know the script of a locale."""


@dataclass(frozen=True)
class TokenizeReport:
    """Queries and tokens of the unified models' data, and the locale with the largest share of unknown pieces."""

    queries: int
    tokens: int
    worst_locale: str
    unknown_share: float

    def __str__(self) -> str:
        mean = self.tokens / max(self.queries, 1)
        return (
            f"{self.queries:,} queries of {mean:.1f} tokens on average; "
            f"at most {self.unknown_share:.2%} unknown pieces in a locale ({self.worst_locale})"
        )


def main(layout: Layout) -> TokenizeReport:
    return run(
        layout,
        read_section(layout.params, "tokenize", TokenizeParams),
        read_encoder(layout),
        read_section(layout.params, "locales", Locales),
    )


def run(layout: Layout, params: TokenizeParams, encoder: EncoderParams, locales: Sequence[str]) -> TokenizeReport:
    """Writes `data/tokens/unified/` and `data/tokens/non_unified/<locale>/`: two splits and the tokenizer each.

    A tokenizer trained here knows the pieces of the training queries; that a small store's validation queries have
    others says nothing about the choice of the encoder, so only a pre-trained one is checked.

    Raises:
        EncoderNotFoundError: the encoder's tokenizer cannot be loaded.
        UnknownPiecesError: in a locale too many pieces are unknown to the pre-trained tokenizer.
    """
    queries = {
        split: {locale: pq.ParquetFile(layout.split(locale, split)).read() for locale in locales}
        for split in _TOKENIZED_SPLITS
    }
    shutil.rmtree(layout.tokens, ignore_errors=True)
    pretrained = None if encoder.is_scratch else _pretrained_tokenizer(layout.encoder)
    tokenizer = pretrained or _trained_tokenizer(queries, encoder.scratch.unified_vocabulary)
    report = _tokenize(layout.unified_tokens(), queries, tokenizer, encoder.max_tokens)
    if not encoder.is_scratch:
        _check_unknown(report, params)
    for locale in locales:
        own = {split: {locale: tables[locale]} for split, tables in queries.items()}
        tokenizer = pretrained or _trained_tokenizer(own, encoder.scratch.non_unified_vocabulary)
        _tokenize(layout.non_unified_tokens(locale), own, tokenizer, encoder.max_tokens)
    return report


def _tokenize(folder: Path, queries: Queries, tokenizer: QueryTokenizer, max_tokens: int) -> TokenizeReport:
    unknown: dict[str, float] = {}
    lengths: list[int] = []
    for split, tables in queries.items():
        parts = {locale: _tokens(tokenizer, locale, table, max_tokens) for locale, table in tables.items()}
        for locale, part in parts.items():
            share = tokenizer.unknown_share(part["token_ids"].to_pylist())
            unknown[locale] = max(share, unknown.get(locale, 0.0))
        tokens = pa.concat_tables(parts.values())
        lengths += pc.list_value_length(tokens["token_ids"]).to_pylist()
        write_table(tokens, folder / f"{split}.parquet")
    tokenizer.save(folder / "tokenizer")
    worst = max(unknown, key=lambda locale: unknown[locale])
    return TokenizeReport(len(lengths), sum(lengths), worst, unknown[worst])


def _pretrained_tokenizer(encoder: Path) -> QueryTokenizer:
    with tempfile.TemporaryDirectory() as folder:
        save_pretrained_tokenizer(encoder, Path(folder))
        return load_tokenizer(Path(folder))


def _trained_tokenizer(queries: Queries, vocabulary: int) -> QueryTokenizer:
    texts = {text for table in queries["train"].values() for text in table["query"].to_pylist()}
    return train_tokenizer(sorted(texts), vocabulary)


def _tokens(tokenizer: QueryTokenizer, locale: str, table: pa.Table, max_tokens: int) -> pa.Table:
    return pa.table(
        {
            "locale": pa.array([locale] * len(table), pa.string()),
            "query": table["query"],
            "token_ids": tokenizer.encode(table["query"].to_pylist(), max_tokens),
            "product_types": table["product_types"],
            "shares": table["shares"],
        },
        schema=TOKENS,
    )


def _check_unknown(report: TokenizeReport, params: TokenizeParams) -> None:
    if report.unknown_share > params.max_unknown_share:
        raise UnknownPiecesError(
            f"{report.worst_locale}: {report.unknown_share:.1%} of the pieces are unknown to the tokenizer, at most "
            f"{params.max_unknown_share:.1%} are allowed (tokenize.max_unknown_share): "
            "choose an encoder that knows the locale's script"
        )
