"""DuckDB beside Spark: the same hashes, and the same rules on every character."""

import sys
from collections.abc import Iterator
from datetime import date

import narwhals as nw
import pyarrow as pa
import pytest
from spark import HARD, SPARK, needs_spark

from q2pt_tasks.data.row_rules import Window, catalog_rules, event_rules
from q2pt_tasks.engine.interface import Engine, Frame
from q2pt_tasks.engine.opening import open_engine
from q2pt_tasks.engine.tables import collect, hash_rows

pytestmark = needs_spark

DAY = date(2026, 6, 1)
# Their names begin so: `product_unknown` alone is no rule of a text.
OF_TEXTS = ("locale_", "query_", "product_missing", "product_type_")
ENDS = ["", "\n", "\r", "\r\n", "\x0b", "\x1c", "\x85", "\u2028", "\u00a0", "\u200b", "x"]


@pytest.fixture(scope="module")
def engines() -> Iterator[tuple[Engine, Engine]]:
    yield open_engine(), open_engine(SPARK)
    from pyspark.sql import SparkSession

    SparkSession.builder.getOrCreate().stop()


def test_rows_have_the_same_hash_whatever_computed_them(engines: tuple[Engine, Engine]) -> None:
    texts = [*HARD, None]
    table = pa.table({"number": [1] * len(texts), "text": texts})

    def ways(engine: Engine) -> Iterator[Frame]:
        frame = engine.frame(table)
        yield frame
        yield engine.keep(frame).unique()
        yield frame.group_by("text").agg(number=nw.len()).select("number", "text")

    assert len({hash_rows(way, ("number", "text")) for engine in engines for way in ways(engine)}) == 1


def test_the_row_rules_see_every_character_alike(engines: tuple[Engine, Engine]) -> None:
    codes = [code for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    _compare(engines, [chr(code) for code in codes])


def test_the_row_rules_see_hard_texts_alike(engines: tuple[Engine, Engine]) -> None:
    texts = {f"{begin}{text}{end}" for begin in ENDS for text in (*HARD, "en-GB", "zh-Hant-TW") for end in ENDS}
    _compare(engines, sorted(texts))


def _compare(engines: tuple[Engine, Engine], texts: list[str]) -> None:
    """Asks every rule of a text about each of `texts`."""
    table = pa.table(dict.fromkeys(("query", "locale", "product_id", "product_type"), texts))
    table = table.append_column("in_catalog", pa.nulls(len(texts), pa.bool_()))
    ours, theirs = (_broken(engine.frame(table)).to_pylist() for engine in engines)
    differing = [(one, two) for one, two in zip(ours, theirs, strict=True) if one != two]
    assert not differing, f"{len(differing)} texts, the first as DuckDB and as Spark see it: {differing[0]}"


def _broken(frame: Frame) -> pa.Table:
    rules = [*catalog_rules(["en-GB"]), *event_rules(["en-GB"], Window(DAY, DAY), max_query_chars=10)]
    of_texts = {rule.name: rule.broken for rule in rules if rule.name.startswith(OF_TEXTS)}
    assert len(of_texts) == 10
    return collect(frame.select("query", **of_texts), ["query"])
