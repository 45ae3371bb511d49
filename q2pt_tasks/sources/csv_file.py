"""CSV files, read in batches of text cells; what Arrow would take wrongly is counted again by a strict reader."""

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.csv

from q2pt_tasks.sources.error_text import first_line, said
from q2pt_tasks.sources.manifest import SourceError

# A row must fit into one block.
_BLOCK_BYTES = 64 * 2**20
# Far above what names of columns need. A compressed file of a megabyte may hold a line of a gigabyte.
_HEADER_CHARS = 2**20


def csv_columns(file: Path) -> list[str]:
    header = _header(file)
    if not header.strip():
        raise SourceError(f"{file} has no header: write the names of the columns into its first line")
    return next(csv.reader([header]))


def _header(file: Path) -> str:
    with _reads_to_the_end(file), _open_bytes(file) as stream:
        header = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace").readline(_HEADER_CHARS)
    if len(header) == _HEADER_CHARS:
        raise SourceError(
            f"{file}: its first line has {_HEADER_CHARS:,} characters or more, and should hold the names of the "
            "columns: write it again with line breaks"
        )
    return header


def read_csv(file: Path, names: list[str]) -> Iterator[pa.RecordBatch]:
    if not _header(file).endswith("\n"):
        return  # Arrow takes a header without a line's end for an empty file
    expected, found = _quoted_rows(file), 0
    for batch in _parse_csv(file, names):
        found += batch.num_rows
        yield batch
    if expected is not None and found != expected:
        raise SourceError(f"{file}: {found} rows were read, but its quotes make {expected}: correct or write it again")


def _quoted_rows(file: Path) -> int | None:
    """The number of rows below the header, counted by a strict reader; `None` for a file without quotes.

    Arrow takes everything between two quotes for one cell, with all the rows that lie there.
    """
    if not _has_quotes(file):
        return None
    csv.field_size_limit(_BLOCK_BYTES)
    rows, line = -1, 1
    with _reads_to_the_end(file), _open_bytes(file) as stream:
        reader = csv.reader(_lines(file, stream), strict=True)
        try:
            for row in reader:
                rows += bool(row)  # an empty line is no row
                line = reader.line_num + 1
        except csv.Error as error:
            raise SourceError(
                f"{file}: the row that starts in line {line} is not readable CSV ({error}): a cell with a quote at its "
                'start must end with one, and quotes inside it must be doubled, as in "5"" pants"'
            ) from error
    return rows


def _lines(file: Path, stream: BinaryIO) -> Iterator[str]:
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    while line := text.readline(_BLOCK_BYTES):
        if len(line) == _BLOCK_BYTES:
            raise SourceError(f"{file} has a line of {_BLOCK_BYTES:,} characters or more: correct or write it again")
        yield line


def _has_quotes(file: Path) -> bool:
    with _reads_to_the_end(file), _open_bytes(file) as stream:
        return any(b'"' in chunk for chunk in iter(lambda: stream.read(2**20), b""))


def _parse_csv(file: Path, names: list[str]) -> Iterator[pa.RecordBatch]:
    try:
        with pa.input_stream(str(file), compression="gzip" if _is_gzip(file) else None) as stream:
            yield from pa.csv.open_csv(
                stream,
                read_options=pa.csv.ReadOptions(block_size=_BLOCK_BYTES),
                parse_options=pa.csv.ParseOptions(newlines_in_values=True),
                # As text, so that a value that is no number can be named, and a query "null" stays a query.
                convert_options=pa.csv.ConvertOptions(
                    include_columns=names, column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
                ),
            )
    except (pa.ArrowException, OSError) as error:
        # Without the row itself, which may hold a query and ends in a log.
        what = re.sub(r"(Expected \d+ columns, got \d+).*", r"\1", first_line(error))
        raise SourceError(f"{file} is not readable CSV ({said(what)}): correct or write it again") from None


def check_encoding(file: Path) -> None:
    decoder, position, pending = codecs.getincrementaldecoder("utf-8")(), 0, 0
    try:
        with _reads_to_the_end(file), _open_bytes(file) as stream:
            while chunk := stream.read(2**20):
                decoder.decode(chunk)
                position += len(chunk)
                pending = len(decoder.getstate()[0])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        # The decoder counts from the start of the character that the last chunk left unfinished.
        at = position - pending + error.start
        raise SourceError(
            f"{file} is not UTF-8: byte {at} is 0x{error.object[error.start]:02x}, as in files written in latin-1 "
            "or Windows-1252: write it again with the encoding UTF-8"
        ) from None


@contextmanager
def _reads_to_the_end(file: Path) -> Iterator[None]:
    try:
        yield
    except (EOFError, OSError, zlib.error) as error:
        raise SourceError(f"{file} cannot be read to its end ({error}): write or copy it again") from error


def _open_bytes(file: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(file)) if _is_gzip(file) else file.open("rb")


def _is_gzip(file: Path) -> bool:
    return file.name.lower().endswith(".gz")
