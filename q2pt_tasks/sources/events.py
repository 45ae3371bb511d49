"""A user's own log: Parquet or CSV files with the columns of `EVENTS`, and a catalog with those of `CATALOG`.

Files are read in batches. What can be converted without loss is converted, what cannot is refused with the file, the
row and the column. The meaning of a row is judged later, by the stage `validate`: nothing is dropped here.
"""

import difflib
import re
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import Field

from q2pt_tasks.data.schema import CATALOG, EVENTS
from q2pt_tasks.inside import StrangeFileError, files_below
from q2pt_tasks.params import Section
from q2pt_tasks.plain_text import show_text
from q2pt_tasks.sources.conversion import converted, from_text, from_typed
from q2pt_tasks.sources.csv_file import check_encoding, csv_columns, read_csv
from q2pt_tasks.sources.error_text import first_line, said
from q2pt_tasks.sources.manifest import SourceError, locate

PARQUET = (".parquet",)
CSV = (".csv", ".csv.gz")
ENDINGS = PARQUET + CSV

# A column that the catalog may have: it tells queries with a brand from those without, in the evaluation alone.
BRAND = "brand"

_BATCH_ROWS = 131_072
# Of Arrow, for what is one type in Parquet.
_SAME_TYPES = {pa.string(): [pa.string(), pa.large_string(), pa.string_view()]}
_DATES = pa.schema([EVENTS.field("event_date")])


class EventsParams(Section):
    """Where a user's own log lies, with paths that may be relative to the repository's root, and how old it may be.

    A log on S3 is fetched to `landing`.
    """

    path: Annotated[str, Field(min_length=1)]
    catalog: Annotated[str, Field(min_length=1)]
    landing: Annotated[str, Field(min_length=1)] = "data/landing"
    max_age_days: Annotated[int, Field(ge=1)] | None = None


def list_event_files(params: EventsParams, root: Path) -> list[Path]:
    """The log's files, sorted; hidden files and markers such as `_SUCCESS` are not part of it.

    Raises:
        SourceError: there is nothing at `params.path`, or something that is no Parquet and no CSV file.
    """
    path = locate(root, params.path)
    if not path.exists():
        raise SourceError(f"{path} does not exist: correct ingest.events.path")
    files = sorted(_log_files(path, catalog_path(params, root)))
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
        shown = show_text(str(file))
        raise SourceError(
            f"{shown} has an unknown file ending; expected {', '.join(ENDINGS)}: convert it, or move it elsewhere"
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


def read_brands(file: Path) -> set[str]:
    """The brands that the catalog's optional column `brand` names; none where it has no such column."""
    if BRAND not in _column_names(file):
        return set()
    batches = read_batches(file, pa.schema([(BRAND, pa.string())]))
    return {brand for batch in batches for brand in batch[BRAND].unique().to_pylist() if brand is not None}


def read_events(files: Iterable[Path], schema: pa.Schema = EVENTS) -> Iterator[pa.Table]:
    """All rows of `files`, in batches with the columns of `schema`."""
    for file in files:
        yield from read_batches(file, schema)


def ignored_columns(files: Iterable[Path], schema: pa.Schema) -> list[str]:
    """Columns of `files` that `schema` does not have, which nobody reads."""
    return sorted({name for file in files for name in _column_names(file)} - set(schema.names))


def read_batches(file: Path, schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows of one file in batches, with the columns and types of `schema`.

    Raises:
        SourceError: the file is broken, lacks a column, or holds a value that its column's type cannot hold.
    """
    if not _is_parquet(file):
        check_encoding(file)
        _check_header(file, csv_columns(file), schema)
    check_columns(file, _column_names(file), schema)
    read, convert = (_read_parquet, from_typed) if _is_parquet(file) else (read_csv, from_text)
    rows = 0
    for batch in read(file, schema.names):
        columns = [converted(batch.column(field.name), field, file, convert, rows) for field in schema]
        rows += len(batch)
        yield pa.Table.from_arrays(columns, schema=schema)


def is_as_events(file: Path, schema: pa.Schema) -> bool:
    """Whether `file` is Parquet that has the columns of `schema` in its types, so that there is nothing to convert."""
    # The engine would take such a name for a pattern.
    if not _is_parquet(file) or set(str(file)) & set("*?[]{}"):
        return False
    check_columns(file, _column_names(file), schema)
    found = pq.read_schema(file)
    return all(found.field(field.name).type in _SAME_TYPES.get(field.type, [field.type]) for field in schema)


def _log_files(path: Path, catalog: Path) -> Iterator[Path]:
    """Each is looked at before the next one is looked for."""
    try:
        for file in [path] if path.is_file() else files_below(path):
            if not file.samefile(catalog):
                check_ending(file)
                yield file
    except StrangeFileError as error:
        raise SourceError(str(error)) from None


def _is_parquet(file: Path) -> bool:
    return file.name.lower().endswith(PARQUET)


def _column_names(file: Path) -> list[str]:
    return _parquet_columns(file) if _is_parquet(file) else csv_columns(file)


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
        f"({file.stat().st_size} bytes; {said(first_line(error))}): write or copy it again"
    )


def _check_header(file: Path, header: list[str], schema: pa.Schema) -> None:
    """Refuses a first line that is no header, unseen: it may be a row, and a query does not belong into a log."""
    if not _names_any(header, schema):
        raise SourceError(
            f"{file}: its first line names none of the columns {', '.join(schema.names)}: write their names there, "
            "above the rows"
        )


def check_columns(place: object, found: list[str], schema: pa.Schema) -> None:
    """Refuses the columns `found` at `place`, a file or a table, where they lack one of `schema`."""
    shown = f"expected {', '.join(schema.names)}; found {', '.join(found)}"[:1000]
    if twice := [name for name in schema.names if found.count(name) > 1]:
        raise SourceError(f"{place}: the column '{twice[0]}' is there {found.count(twice[0])} times: keep one; {shown}")
    if missing := [name for name in schema.names if name not in found]:
        strangers = [name for name in found if name not in schema.names]
        raise SourceError(
            f"{place}: the column '{missing[0]}' is missing; {shown}; {_likely_cause(missing[0], strangers, place)}"
        )


def _names_any(header: list[str], schema: pa.Schema) -> bool:
    """Whether a first line, whatever separates its cells, has the name of a column of ours."""
    cells = {_plain_name(cell) for text in header for cell in re.split(r"[;\t|]", text)}
    return not cells.isdisjoint([*schema.names, *EVENTS.names, *CATALOG.names])


def _plain_name(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def _likely_cause(name: str, strangers: list[str], place: object) -> str:
    if len(strangers) == 1 and any(separator in strangers[0] for separator in ";\t|"):
        return "its columns are not separated by commas: write it again with commas"
    if any(part.startswith(f"{name}=") for part in Path(str(place)).parts):
        return f"'{name}' stands in the folder's name only: write it into the files too"
    spelled = {_plain_name(other): other for other in strangers}
    if close := difflib.get_close_matches(name, spelled, n=1):
        return f"{spelled[close[0]]!r} looks like it: rename it to '{name}'"
    return "add it"
