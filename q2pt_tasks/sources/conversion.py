"""Columns of a file as the types of the schema, where that loses nothing."""

from collections.abc import Callable
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from q2pt_tasks.data.text_shape import shape_of
from q2pt_tasks.sources.manifest import SourceError

# Names in one cell of a CSV file.
SEPARATOR = "|"
NAMES = pa.list_(pa.string())

Conversion = Callable[[pa.Array, pa.DataType], pa.Array]

_KINDS = {
    pa.date32(): "a date such as 2026-06-30",
    pa.int64(): "a whole number",
    NAMES: f"a list of names in UTF-8, or names separated by {SEPARATOR}",
}


def converted(
    column: pa.Array, field: pa.Field, place: object, convert: Conversion, rows_before: int | None = None
) -> pa.Array:
    """`column` of the file or table `place` as the type of `field`.

    Args:
        column: some rows of it.
        field: what it should be.
        place: for people.
        convert: one of those below.
        rows_before: rows of `place` before those of `column`; None where its rows have no order.

    Raises:
        SourceError: the column's type or a value cannot be converted; the message names place and column, and the type
            or the row and how its value looks.
    """
    try:
        return convert(column, field.type)
    except (pa.ArrowException, UnicodeDecodeError):
        kind = _KINDS.get(field.type, "text in UTF-8")
        if not _is_convertible(column, field.type, convert):
            raise SourceError(
                f"{place}: the column '{field.name}' is {column.type}, which is not {kind}: write the column with "
                "the right type"
            ) from None
        position = _first_refused(column, field.type, convert)
        row = "" if rows_before is None else f", row {rows_before + position + 1:,}"
        # Arrow's own error repeats the value.
        raise SourceError(
            f"{place}{row}: the column '{field.name}' ({column.type}) holds {_looks(column[position])}, which is not "
            f"{kind}: correct the value, or write the column with the right type"
        ) from None


def _is_convertible(column: pa.Array, kind: pa.DataType, convert: Conversion) -> bool:
    """Whether there could be a value of the column's type that `convert` takes."""
    try:
        convert(column.slice(0, 0), kind)
    except pa.ArrowException:
        return False
    return True


def _first_refused(column: pa.Array, kind: pa.DataType, convert: Conversion) -> int:
    """The position of the first value that `convert` refuses, found by halving."""
    start, rows = 0, len(column)
    while rows > 1:
        half = rows // 2
        try:
            convert(column.slice(start, half), kind)
            start, rows = start + half, rows - half
        except (pa.ArrowException, UnicodeDecodeError):
            rows = half
    return start


def _looks(value: pa.Scalar) -> str:
    try:
        shown = value.as_py()
    except UnicodeDecodeError:
        return "other bytes"
    except KeyError:
        return "a time in an unknown zone"
    except OverflowError:  # a date that Python's calendar does not have
        shown = value.cast(pa.string())
    return f"something like {shape_of(shown)} (9 for each digit, a for each letter)"


def from_typed(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """A column of a typed file as `kind`, if that loses nothing."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_null(column.type):
        return column.cast(kind)
    conversions = {pa.string(): _as_text, pa.date32(): _as_date, pa.int64(): _as_count, NAMES: _as_names}
    return conversions[kind](column)


def _as_text(column: pa.Array) -> pa.Array:
    if not (_is_text(column.type) or _is_bytes(column.type) or pa.types.is_integer(column.type)):
        raise pa.ArrowTypeError(f"{column.type} is no text")
    text = column.cast(pa.string())
    text.validate(full=True)  # a Parquet file may say text and hold other bytes
    return text


def _as_names(column: pa.Array) -> pa.Array:
    if not (pa.types.is_list(column.type) or pa.types.is_large_list(column.type)):
        return _names_from_text(_as_text(column))
    if not (_is_text(column.type.value_type) or _is_bytes(column.type.value_type)):
        raise pa.ArrowTypeError(f"{column.type} is no list of text")
    names = column.cast(NAMES)
    names.validate(full=True)
    return names


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


def from_text(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """A column of CSV cells as `kind`; an empty cell is no date and no count."""
    if kind == pa.string():
        return column
    if kind == NAMES:
        return _names_from_text(column)
    return _date_from_text(column) if kind == pa.date32() else _count_from_text(column)


def _names_from_text(column: pa.Array) -> pa.Array:
    return pc.split_pattern(column, SEPARATOR)


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
