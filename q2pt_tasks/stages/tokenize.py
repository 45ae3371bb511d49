"""`tokenize`: training and validation queries become packed token ids, for unified and per-locale models."""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import Field

from q2pt_tasks.data.queries import each_text
from q2pt_tasks.data.schema import Locales
from q2pt_tasks.engine.tables import open_table
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
# Queries that are in memory as Python's objects, a kilobyte each, and rows of a row group.
ROWS_AT_ONCE = 65_536


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
    shutil.rmtree(layout.tokens, ignore_errors=True)
    pretrained = None if encoder.is_scratch else _pretrained_tokenizer(layout.encoder)

    def encoding(of_locales: Sequence[str], vocabulary: int) -> _Encoding:
        return _Encoding(pretrained or _trained_tokenizer(layout, of_locales, vocabulary), encoder.max_tokens)

    unified = encoding(locales, encoder.scratch.unified_vocabulary)
    report = _tokenize(layout, layout.unified_tokens(), locales, unified)
    if not encoder.is_scratch:
        _check_unknown(report, params)
    for locale in locales:
        own = encoding([locale], encoder.scratch.non_unified_vocabulary)
        _tokenize(layout, layout.non_unified_tokens(locale), [locale], own)
    return report


@dataclass(frozen=True)
class _Encoding:
    """How queries become tokens."""

    tokenizer: QueryTokenizer
    max_tokens: int

    def tokens(self, locale: str, rows: pa.RecordBatch) -> pa.Table:
        return pa.table(
            {
                "locale": pa.repeat(pa.scalar(locale, pa.string()), len(rows)),
                "query": rows["query"],
                "token_ids": self.tokenizer.encode(rows["query"].to_pylist(), self.max_tokens),
                "product_types": rows["product_types"],
                "shares": rows["shares"],
            },
            schema=TOKENS,
        )


@dataclass(frozen=True)
class _Count:
    """Some queries, their tokens, those among them that are pieces of a query, and the pieces that are unknown."""

    queries: int = 0
    tokens: int = 0
    pieces: int = 0
    unknown: int = 0

    def __add__(self, other: "_Count") -> "_Count":
        return _Count(
            self.queries + other.queries,
            self.tokens + other.tokens,
            self.pieces + other.pieces,
            self.unknown + other.unknown,
        )

    @property
    def unknown_share(self) -> float:
        return self.unknown / self.pieces if self.pieces else 0.0

    @classmethod
    def of(cls, token_ids: pa.ChunkedArray, unknown_token: int) -> "_Count":
        lengths = pc.list_value_length(token_ids).to_numpy()
        unknown = pc.sum(pc.equal(pc.list_flatten(token_ids), unknown_token)).as_py() or 0
        # A query's first and last token are no pieces of it.
        return cls(len(lengths), int(lengths.sum()), int(np.maximum(lengths - 2, 0).sum()), unknown)


def _tokenize(layout: Layout, folder: Path, locales: Sequence[str], encoding: _Encoding) -> TokenizeReport:
    """Writes what one model learns from, store by store."""
    counts: dict[str, list[_Count]] = {locale: [] for locale in locales}
    for split in _TOKENIZED_SPLITS:
        with open_table(folder / f"{split}.parquet", TOKENS) as writer:
            for locale in locales:
                counts[locale].append(_append(writer, layout.split(locale, split), locale, encoding))
    encoding.tokenizer.save(folder / "tokenizer")
    unknown = {locale: max(count.unknown_share for count in own) for locale, own in counts.items()}
    worst = max(unknown, key=lambda locale: unknown[locale])
    total = sum((count for own in counts.values() for count in own), _Count())
    return TokenizeReport(total.queries, total.tokens, worst, unknown[worst])


def _append(writer: pq.ParquetWriter, queries: Path, locale: str, encoding: _Encoding) -> _Count:
    """Writes the tokens of a locale's `queries`, a file of a split."""
    total = _Count()
    for rows in pq.ParquetFile(queries).iter_batches(ROWS_AT_ONCE, columns=["query", "product_types", "shares"]):
        tokens = encoding.tokens(locale, rows)
        total += _Count.of(tokens["token_ids"], encoding.tokenizer.unknown_token)
        writer.write_table(tokens)
    return total


def _pretrained_tokenizer(encoder: Path) -> QueryTokenizer:
    with tempfile.TemporaryDirectory() as folder:
        save_pretrained_tokenizer(encoder, Path(folder))
        return load_tokenizer(Path(folder))


def _trained_tokenizer(layout: Layout, locales: Sequence[str], vocabulary: int) -> QueryTokenizer:
    """Learns from every training query once, in however many of the locales it is."""
    # Texts of all stores may be more than the two gigabytes of a plain array of strings.
    columns = [_training_queries(layout, locale).cast(pa.large_string()) for locale in locales]
    texts = pa.chunked_array([chunk for column in columns for chunk in column.chunks], pa.large_string()).unique()
    # Arrow sorts by bytes of UTF-8, which is the order of Python's strings.
    return train_tokenizer(each_text(texts.take(pc.array_sort_indices(texts))), vocabulary)


def _training_queries(layout: Layout, locale: str) -> pa.ChunkedArray:
    return pq.ParquetFile(layout.split(locale, "train")).read(columns=["query"])["query"]


def _check_unknown(report: TokenizeReport, params: TokenizeParams) -> None:
    if report.unknown_share > params.max_unknown_share:
        raise UnknownPiecesError(
            f"{report.worst_locale}: {report.unknown_share:.1%} of the pieces are unknown to the tokenizer, at most "
            f"{params.max_unknown_share:.1%} are allowed (tokenize.max_unknown_share): "
            "choose an encoder that knows the locale's script"
        )
