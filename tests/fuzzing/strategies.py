"""What somebody might send, land or write: values of JSON, YAML, CSV and Arrow, near good ones and far from them."""

import json
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

# Texts on which programs have broken before.
NASTY = (
    "",
    " ",
    "\x00",
    "\n",
    "\u202e",
    "\ufeff",
    "ß",
    "İ",
    "ﬁ",
    "🤷🏽‍♀️",
    "=1+1",
    "@SUM(A1)",
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "/dev/zero",
    "~nobody-here/x",
    "${HOME}",
    "$(id)",
    "; DROP TABLE events",
    "{{ 7 * 7 }}",
    "--upload-pack=id",
    "ext::sh -c id",
    "en-GB",
    "null",
    "nan",
    "-1",
    "1e999",
    "9" * 40,
    "a" * 3000,
)
TEXTS = st.one_of(st.sampled_from(NASTY), st.text(max_size=20))
# Those that a file can hold.
ENCODABLE = TEXTS.filter(lambda text: not any("\ud800" <= sign <= "\udfff" for sign in text))

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.integers(-2, 3),
    st.floats(),
    ENCODABLE,
)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ENCODABLE, inner, max_size=3), max_leaves=6
)


@st.composite
def changed(draw: st.DrawFn, document: Any) -> Any:  # noqa: ANN401 - JSON
    """`document` with one to three of its values replaced, dropped or added."""
    copy = json.loads(json.dumps(document))
    for _ in range(draw(st.integers(1, 3))):
        copy = _changed_once(draw, copy)
    return copy


def _changed_once(draw: st.DrawFn, document: Any) -> Any:  # noqa: ANN401
    keys: list[Any] = list(document) if isinstance(document, dict) else []
    if isinstance(document, list):
        keys = list(range(len(document)))
    if not keys or draw(st.integers(0, 9)) == 0:
        return draw(JSON)
    key = draw(st.sampled_from(keys))
    match draw(st.sampled_from(["into", "into", "into", "replace", "drop", "add"])):
        case "into":
            document[key] = _changed_once(draw, document[key])
        case "replace":
            document[key] = draw(JSON)
        case "drop":
            del document[key]
        case "add" if isinstance(document, dict):
            document[draw(ENCODABLE)] = draw(JSON)
    return document


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """`content` with a piece cut out, overwritten or put in."""
    start = draw(st.integers(0, len(content)))
    end = draw(st.integers(start, min(len(content), start + 64)))
    return content[:start] + draw(st.binary(max_size=32)) + content[end:]


_MAKERS: Mapping[str, Callable[[int], st.SearchStrategy[pa.Array]]] = {}


def _arrays(kind: pa.DataType, values: st.SearchStrategy[Any]) -> Callable[[int], st.SearchStrategy[pa.Array]]:
    def of_length(rows: int) -> st.SearchStrategy[pa.Array]:
        return st.lists(st.none() | values, min_size=rows, max_size=rows).map(lambda found: pa.array(found, kind))

    return of_length


ARRAYS = (
    _arrays(pa.string(), ENCODABLE),
    _arrays(pa.large_string(), ENCODABLE),
    _arrays(pa.binary(), st.binary(max_size=8)),
    _arrays(pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    _arrays(pa.uint64(), st.integers(0, 2**64 - 1)),
    _arrays(pa.int8(), st.integers(-128, 127)),
    _arrays(pa.float64(), st.floats()),
    _arrays(pa.bool_(), st.booleans()),
    _arrays(pa.date32(), st.dates()),
    _arrays(pa.date64(), st.dates()),
    _arrays(pa.timestamp("us"), st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31))),  # noqa: DTZ001
    _arrays(pa.timestamp("s", "Asia/Tokyo"), st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1))),  # noqa: DTZ001
    _arrays(pa.decimal128(20, 2), st.decimals(-1000, 1000, places=2)),
    _arrays(pa.list_(pa.string()), st.lists(ENCODABLE, max_size=3)),
    _arrays(pa.struct([("a", pa.int8())]), st.fixed_dictionaries({"a": st.integers(0, 3)})),
    _arrays(pa.null(), st.none()),
    _arrays(pa.dictionary(pa.int8(), pa.string()), st.sampled_from(["a", "b"])),
)


@st.composite
def tables(draw: st.DrawFn, schema: pa.Schema, good: Mapping[str, st.SearchStrategy[Any]]) -> pa.Table:
    """Tables with most columns as `schema` has them, of `good` values, and some of any kind, missing or twice."""
    rows = draw(st.integers(0, 5))
    names, columns = [], []
    for field in schema:
        match draw(st.sampled_from(["good"] * 12 + ["any", "missing", "twice"])):
            case "missing":
                continue
            case "any":
                names.append(field.name)
                columns.append(draw(draw(st.sampled_from(ARRAYS))(rows)))
            case times:
                values = st.lists(st.none() | good[field.name], min_size=rows, max_size=rows)
                for _ in range(1 + (times == "twice")):
                    names.append(field.name)
                    columns.append(pa.array(draw(values), field.type))
    return pa.Table.from_arrays(columns, names=names)


DAY = date(2026, 6, 30)
COUNT = st.integers(0, 5) | st.integers(-(2**63), 2**63 - 1)
EVENT_VALUES: Mapping[str, st.SearchStrategy[Any]] = {
    "event_date": st.just(DAY) | st.dates(),
    "locale": st.just("en-GB") | ENCODABLE,
    "query": ENCODABLE,
    "product_id": st.just("1") | ENCODABLE,
    "impressions": COUNT,
    "clicks": COUNT,
    "carts": COUNT,
    "purchases": COUNT,
}
CATALOG_VALUES: Mapping[str, st.SearchStrategy[Any]] = {
    "product_id": st.just("1") | ENCODABLE,
    "locale": st.just("en-GB") | ENCODABLE,
    "product_type": st.just("HAT") | ENCODABLE,
}
JUDGEMENT_VALUES: Mapping[str, st.SearchStrategy[Any]] = {
    "locale": st.just("en-GB") | ENCODABLE,
    "query": ENCODABLE,
    "product_types": st.lists(st.sampled_from(["HAT", "SHOES", "", " ", "HAT "]), max_size=3),
}
# Pieces of which a CSV file is made.
CSV_PIECES = st.sampled_from(
    [
        b",",
        b"\n",
        b"\r\n",
        b"\r",
        b'"',
        b'""',
        b"\xff",
        b"\x00",
        b"\xef\xbb\xbf",
        b"2026-06-30",
        b"en-GB",
        b"1",
        b" ",
        b"|",
    ]
) | ENCODABLE.map(str.encode)
