"""Parquet files of queries: what they are, whether all of their rows can be answered, and their rows part by part."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from q2pt_tasks.data.schema import LocaleError
from q2pt_tasks.inside import StrangeFileError, files_below
from q2pt_tasks.model.prediction import LocaleNotServedError
from q2pt_tasks.serving.answered_table import PRODUCT_TYPES, USED_UNKNOWN_LOCALE
from q2pt_tasks.serving.manifest import InputFile, Part
from q2pt_tasks.serving.questions import LOCALE, QUERY, as_text

_ENDING = ".parquet"
_BATCH_ROWS = 8192
# A row group is read through a buffer of this size: else all of it would be in memory, and it may be the whole file.
_BUFFER_BYTES = 2**20


class InputError(ValueError):
    """An input cannot be predicted as it is."""


def list_input(place: Path) -> list[Path]:
    """The Parquet files at or below `place`, sorted; hidden files and markers such as `_SUCCESS` are no part of it.

    Raises:
        InputError: there is nothing, or something that is no Parquet file.
    """
    if not place.exists():
        raise InputError(f"{place} does not exist: give a Parquet file, or a folder of Parquet files")
    files = sorted(_input_files(place))
    if not files:
        raise InputError(f"{place} holds no {_ENDING} files: give the folder that does")
    return files


def describe(place: Path, file: Path) -> InputFile:
    """`file`, which lies at or below `place`, as it is now.

    Raises:
        InputError: it cannot be read, or its columns cannot be predicted.
    """
    size, md5 = _size_and_md5(file)
    with _readable(file), _open(file) as parquet:
        _check_columns(file, parquet.schema_arrow)
        rows = parquet.metadata.num_rows
    return InputFile(file.relative_to(place).as_posix() if place.is_dir() else file.name, size, md5, rows)


def check_rows(file: Path, check_locale: Callable[[str], object]) -> None:
    """Checks the query and the locale of all rows: nobody wants to know after hours that the last row is wrong.

    Raises:
        InputError: a text is not UTF-8, or a locale is missing or refused by `check_locale`, as a predictor does.
    """
    first_row = 0
    with _readable(file), _open(file) as parquet:
        for batch in parquet.iter_batches(_BATCH_ROWS, columns=[QUERY, LOCALE]):
            queries, locales = (as_text(batch.column(name)) for name in (QUERY, LOCALE))
            _check_encoding(file, QUERY, queries, first_row)
            _check_encoding(file, LOCALE, locales, first_row)
            _check_locales(file, locales, first_row, check_locale)
            first_row += len(batch)


def read_parts(file: Path, parts: Sequence[Part]) -> Iterator[tuple[Part, pa.Table]]:
    """The rows of `parts` of one file, ordered by row, in one pass; row groups without such rows are left out.

    A row group always comes in the same batches, so a part has the same bytes wherever the pass began.

    Raises:
        InputError: the file cannot be read.
    """
    waiting, pieces = deque(parts), list[pa.RecordBatch]()
    with _readable(file), _open(file) as parquet:
        for first_row, batch in _batches(parquet, lambda first, end: _is_wanted(waiting, first, end)):
            end = first_row + len(batch)
            while _is_wanted(waiting, first_row, end):
                part = waiting[0]
                start = max(part.first_row, first_row)
                pieces.append(batch.slice(start - first_row, min(part.end, end) - start))
                if part.end > end:
                    break
                yield waiting.popleft(), pa.Table.from_batches(pieces)
                pieces = []
    if waiting:
        raise InputError(f"{file} has no row {waiting[0].end - 1} any more: put back the file as it was, and run again")


def _is_wanted(waiting: deque[Part], first: int, end: int) -> bool:
    return bool(waiting) and waiting[0].first_row < end and first < waiting[0].end


def _batches(parquet: pq.ParquetFile, is_wanted: Callable[[int, int], bool]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The batches of the row groups whose rows from a first to an end are wanted, each with its first row."""
    end = 0
    for group in range(parquet.num_row_groups):
        first_row, end = end, end + parquet.metadata.row_group(group).num_rows
        if is_wanted(first_row, end):
            for batch in parquet.iter_batches(_BATCH_ROWS, row_groups=[group]):
                yield first_row, batch
                first_row += len(batch)


def _input_files(place: Path) -> Iterator[Path]:
    """Each is looked at before the next one is looked for."""
    try:
        for file in [place] if place.is_file() else files_below(place):
            if not file.name.lower().endswith(_ENDING):
                raise InputError(f"{file} is no {_ENDING} file: convert it, or move it elsewhere")
            yield file
    except StrangeFileError as error:
        raise InputError(str(error)) from None


def _size_and_md5(file: Path) -> tuple[int, str]:
    try:
        with file.open("rb") as stream:
            md5 = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
            return stream.tell(), md5
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}): check that it exists and its rights") from error


def _open(file: Path) -> pq.ParquetFile:
    return pq.ParquetFile(file, buffer_size=_BUFFER_BYTES, pre_buffer=False)


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        reason = str(error).split("\n", 1)[0][:200]
        raise InputError(
            f"{file} is not readable Parquet, perhaps cut off while it was copied ({file.stat().st_size} bytes; "
            f"{reason}): write or copy it again"
        ) from error


def _check_columns(file: Path, schema: pa.Schema) -> None:
    for name in (QUERY, LOCALE):
        if (count := schema.names.count(name)) > 1:
            raise InputError(f"{file}: the column '{name}' is there {count} times: keep one")
        if not count:
            found = ", ".join(schema.names)[:1000]
            raise InputError(f"{file}: the column '{name}' is missing; found {found}: {_remedy(name, file)}")
        if not _is_text(schema.field(name).type):
            raise InputError(f"{file}: the column '{name}' is {schema.field(name).type}, not text: convert it")
    for name in (PRODUCT_TYPES, USED_UNKNOWN_LOCALE):
        if name in schema.names:
            raise InputError(f"{file} has a column '{name}', which is what the predictions are called: rename it")


def _remedy(name: str, file: Path) -> str:
    if any(part.startswith(f"{name}=") for part in file.parts):
        return f"'{name}' stands in the folder's name only, write it into the files too"
    return "add it, or rename the column that holds it"


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    # A column of nothing but missing values has no other type.
    checks = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null)
    return any(check(kind) for check in checks)


def _check_encoding(file: Path, name: str, texts: pa.Array, first_row: int) -> None:
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        row = next(
            row
            for row, value in enumerate(texts.cast(pa.large_binary()).to_pylist())
            if value is not None and value.decode(errors="replace").encode() != value
        )
        # Without the value: a query does not belong into a log.
        raise _wrong_row(file, first_row + row, f"the column '{name}' is not UTF-8: correct the value") from None


def _check_locales(file: Path, texts: pa.Array, first_row: int, check_locale: Callable[[str], object]) -> None:
    if texts.null_count:
        row = first_row + pc.index(texts.is_null(), value=True).as_py()
        raise _wrong_row(file, row, "the locale is missing: write it into the row, or leave the row out")
    for locale in texts.unique():
        try:
            check_locale(locale.as_py())
        except (LocaleError, LocaleNotServedError) as error:
            raise _wrong_row(file, first_row + pc.index(texts, locale).as_py(), str(error)) from error


def _wrong_row(file: Path, row: int, what: str) -> InputError:
    return InputError(f"{file}, row {row} (the first is 0): {what}")
