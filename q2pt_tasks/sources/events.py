"""A user's own log: Parquet or CSV files with the columns of `EVENTS`, and a catalog with those of `CATALOG`.

Files are read in batches. What can be converted without loss is converted, what cannot is refused with the file, the
column and the value. The meaning of a row is judged later, by the stage `validate`: nothing is dropped here.
"""

import codecs
import csv
import difflib
import gzip
import io
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Annotated, BinaryIO, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from pydantic import Field

from q2pt_tasks.data.schema import CATALOG, EVENTS
from q2pt_tasks.params import Section
from q2pt_tasks.sources.manifest import SourceError, locate

PARQUET = (".parquet",)
CSV = (".csv", ".csv.gz")
ENDINGS = PARQUET + CSV

_BATCH_ROWS = 131_072
# A row of a CSV file must fit into one block.
_BLOCK_BYTES = 64 * 2**20
_DATES = pa.schema([EVENTS.field("event_date")])


class EventsParams(Section):
    """Where a user's own log lies; paths may be relative to the repository's root."""

    path: Annotated[str, Field(min_length=1)]
    catalog: Annotated[str, Field(min_length=1)]


def list_event_files(params: EventsParams, root: Path) -> list[Path]:
    """The log's files, sorted; hidden files and markers such as `_SUCCESS` are not part of it.

    Raises:
        SourceError: there is nothing at `params.path`, or something that is no Parquet and no CSV file.
    """
    path = locate(root, params.path)
    if not path.exists():
        raise SourceError(f"{path} does not exist: correct ingest.events.path")
    files = [path] if path.is_file() else _files_below(path)
    catalog = catalog_path(params, root)
    files = [file for file in files if not file.samefile(catalog)]
    for file in files:
        check_ending(file)
    if not files:
        raise SourceError(f"{path} holds no event files ({', '.join(ENDINGS)}): correct ingest.events.path")
    return files


def catalog_path(params: EventsParams, root: Path) -> Path:
    """Where the catalog lies.

    Raises:
        SourceError: there is no file, or one that is neither Parquet nor CSV.
    """
    path = locate(root, params.catalog)
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "does not exist"
        raise SourceError(f"{path} {found}: ingest.events.catalog must name one file ({', '.join(ENDINGS)})")
    check_ending(path)
    return path


def check_ending(file: Path) -> None:
    """Refuses a file that is neither Parquet nor CSV by its name."""
    if not file.name.lower().endswith(ENDINGS):
        raise SourceError(
            f"{file} has an unknown file ending; expected {', '.join(ENDINGS)}: convert it, or move it elsewhere"
        )


def newest_day(files: Iterable[Path], before: date) -> date | None:
    """The newest event date in `files` that is older than `before`; `None` if there is none."""
    newest = None
    for file in files:
        for table in read_batches(file, _DATES):
            days = table.filter(pc.field("event_date") < before)["event_date"]
            newest = max(filter(None, [newest, pc.max(days).as_py()]), default=None)
    return newest


def read_catalog(file: Path) -> pa.Table:
    """The whole catalog, as it is."""
    return pa.concat_tables([CATALOG.empty_table(), *read_batches(file, CATALOG)])


def read_events(files: Iterable[Path]) -> Iterator[pa.Table]:
    """All rows of `files`, in batches with the columns of `EVENTS`."""
    for file in files:
        yield from read_batches(file, EVENTS)


def ignored_columns(files: Iterable[Path], schema: pa.Schema) -> list[str]:
    """Columns of `files` that `schema` does not have, which nobody reads."""
    return sorted({name for file in files for name in _column_names(file)} - set(schema.names))


def read_batches(file: Path, schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows of one file in batches, with the columns and types of `schema`.

    Raises:
        SourceError: the file is broken, lacks a column, or holds a value that its column's type cannot hold.
    """
    if not _is_parquet(file):
        _check_encoding(file)
    _check_columns(file, _column_names(file), schema)
    read, convert = (_read_parquet, _from_typed) if _is_parquet(file) else (_read_csv, _from_text)
    for batch in read(file, schema.names):
        columns = [_converted(batch.column(field.name), field, file, convert) for field in schema]
        yield pa.Table.from_arrays(columns, schema=schema)


def _files_below(folder: Path) -> list[Path]:
    below = [path.relative_to(folder) for path in folder.rglob("*")]
    shown = [folder / path for path in sorted(below) if not any(part.startswith((".", "_")) for part in path.parts)]
    for path in shown:
        if path.is_symlink() and path.is_dir():
            raise SourceError(
                f"{path} is a symbolic link to a folder, which is not followed: put the files themselves there"
            )
    return [path for path in shown if not path.is_dir()]


def _is_parquet(file: Path) -> bool:
    return file.name.lower().endswith(PARQUET)


def _column_names(file: Path) -> list[str]:
    return _parquet_columns(file) if _is_parquet(file) else _csv_columns(file)


def _parquet_columns(file: Path) -> list[str]:
    try:
        return list(pq.read_schema(file).names)
    except (pa.ArrowException, OSError) as error:
        raise _broken_parquet(file, error) from error


def _read_parquet(file: Path, names: list[str]) -> Iterator[pa.RecordBatch]:
    try:
        with pq.ParquetFile(file) as parquet:
            yield from parquet.iter_batches(batch_size=_BATCH_ROWS, columns=names)
    except (pa.ArrowException, OSError) as error:
        raise _broken_parquet(file, error) from error


def _broken_parquet(file: Path, error: Exception) -> SourceError:
    return SourceError(
        f"{file} is not readable Parquet, perhaps cut off while it was copied "
        f"({file.stat().st_size} bytes; {_first_line(error)}): write or copy it again"
    )


def _csv_columns(file: Path) -> list[str]:
    header = _header(file)
    if not header.strip():
        raise SourceError(f"{file} has no header: write the names of the columns into its first line")
    return next(csv.reader([header]))


def _header(file: Path) -> str:
    with _reads_to_the_end(file), _open_bytes(file) as stream:
        return io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace").readline()


def _read_csv(file: Path, names: list[str]) -> Iterator[pa.RecordBatch]:
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
        reader = csv.reader(io.TextIOWrapper(stream, encoding="utf-8-sig", newline=""), strict=True)
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
        raise SourceError(f"{file} is not readable CSV ({_first_line(error)}): correct or write it again") from error


def _check_encoding(file: Path) -> None:
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


def _check_columns(file: Path, found: list[str], schema: pa.Schema) -> None:
    shown = f"expected {', '.join(schema.names)}; found {', '.join(found)}"[:1000]
    if twice := [name for name in schema.names if found.count(name) > 1]:
        raise SourceError(f"{file}: the column '{twice[0]}' is there {found.count(twice[0])} times: keep one; {shown}")
    if missing := [name for name in schema.names if name not in found]:
        raise SourceError(
            f"{file}: the column '{missing[0]}' is missing; {shown}; {_likely_cause(missing[0], found, file)}"
        )


def _likely_cause(name: str, found: list[str], file: Path) -> str:
    if len(found) == 1 and any(separator in found[0] for separator in ";\t|"):
        return "its columns are not separated by commas: write it again with commas"
    if any(part.startswith(f"{name}=") for part in file.parts):
        return f"'{name}' stands in the folder's name only: write it into the files too"
    spelled = {other.strip().lower().replace(" ", "_").replace("-", "_"): other for other in found}
    if close := difflib.get_close_matches(name, spelled, n=1):
        return f"{spelled[close[0]]!r} looks like it: rename it to '{name}'"
    return "add it"


def _converted(
    column: pa.Array, field: pa.Field, file: Path, convert: Callable[[pa.Array, pa.DataType], pa.Array]
) -> pa.Array:
    try:
        return convert(column, field.type)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        kind = {pa.date32(): "a date such as 2026-06-30", pa.int64(): "a whole number"}.get(field.type, "text in UTF-8")
        value = _first_refused(column, field.type, convert)
        raise SourceError(
            f"{file}: the column '{field.name}' ({column.type}) holds {value}, which is not {kind}: "
            "correct the value, or write the column with the right type"
        ) from error


def _first_refused(column: pa.Array, kind: pa.DataType, convert: Callable[[pa.Array, pa.DataType], pa.Array]) -> str:
    """The first value that `convert` refuses, found by halving."""
    while len(column) > 1:
        half = column.slice(0, len(column) // 2)
        try:
            convert(half, kind)
            column = column.slice(len(half))
        except (pa.ArrowException, UnicodeDecodeError):
            column = half
    try:
        return repr(column[0].as_py())[:80]
    except UnicodeDecodeError as error:
        return repr(error.object)[:80]
    except OverflowError:  # a date that Python's calendar does not have
        return str(column.cast(pa.string())[0])[:80]


def _from_typed(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """A column of a typed file as `kind`, if that loses nothing."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_null(column.type):
        return column.cast(kind)
    return {pa.string(): _as_text, pa.date32(): _as_date, pa.int64(): _as_count}[kind](column)


def _as_text(column: pa.Array) -> pa.Array:
    if not (_is_text(column.type) or _is_bytes(column.type) or pa.types.is_integer(column.type)):
        raise pa.ArrowTypeError(f"{column.type} is no text")
    text = column.cast(pa.string())
    text.validate(full=True)  # a Parquet file may say text and hold other bytes
    return text


def _as_date(column: pa.Array) -> pa.Array:
    if _is_text(column.type):
        return _date_from_text(column.cast(pa.string()))
    if not pa.types.is_temporal(column.type) or pa.types.is_time(column.type) or pa.types.is_duration(column.type):
        raise pa.ArrowTypeError(f"{column.type} is no date")
    if pa.types.is_timestamp(column.type):
        # Midnight counts where the shop is: the instant's date in UTC may be the day before.
        return _date_at_midnight(pc.local_timestamp(column) if column.type.tz else column)
    return _in_calendar(column.cast(pa.date32()))


def _date_at_midnight(moment: pa.Array) -> pa.Array:
    day = moment.cast(pa.date32())
    if pc.any(pc.not_equal(day.cast(moment.type), moment)).as_py():
        raise pa.ArrowInvalid("a time of day would be lost")
    return _in_calendar(day)


def _in_calendar(day: pa.Array) -> pa.Array:
    inside = pc.and_(pc.greater_equal(day, pa.scalar(date.min)), pc.less_equal(day, pa.scalar(date.max)))
    if pc.any(pc.invert(inside)).as_py():
        raise pa.ArrowInvalid("a date outside the years 1 to 9999")
    return day


def _as_count(column: pa.Array) -> pa.Array:
    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        raise pa.ArrowTypeError(f"{kind} is no count")
    if pa.types.is_floating(kind):
        # pandas writes a missing whole number as NaN
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, kind), column)
    return column.cast(pa.int64())


def _from_text(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """A column of CSV cells as `kind`; an empty cell is no date and no count."""
    if kind == pa.string():
        return column
    return _date_from_text(column) if kind == pa.date32() else _count_from_text(column)


def _date_from_text(column: pa.Array) -> pa.Array:
    return _date_at_midnight(_empty_as_null(column).cast(pa.timestamp("us")))


def _count_from_text(column: pa.Array) -> pa.Array:
    column = _empty_as_null(column)
    # pandas writes whole numbers as 3.0 where the column has gaps; Arrow alone would read 0x10 as 16
    if pc.any(pc.invert(pc.match_substring_regex(column, r"^[+-]?[0-9]+(\.0+)?$"))).as_py():
        raise pa.ArrowInvalid("no whole number in decimal digits")
    return pc.replace_substring_regex(column, r"^\+|\.0+$", "").cast(pa.int64())


def _empty_as_null(column: pa.Array) -> pa.Array:
    trimmed = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def _is_text(kind: pa.DataType) -> bool:
    return any(check(kind) for check in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))


def _is_bytes(kind: pa.DataType) -> bool:
    return any(check(kind) for check in (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view))


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0][:200]
