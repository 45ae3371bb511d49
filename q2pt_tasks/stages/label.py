"""`label`: valid clicks become labels, apart for the history and for the window's newest days."""

import datetime
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import narwhals as nw
import pyarrow as pa
from pydantic import Field

from q2pt_tasks.data.labels import (
    LabelRules,
    add_clicks,
    clicks_by_type,
    label_pairs,
    nest_labels,
    types_of_products,
    with_normal_forms,
)
from q2pt_tasks.data.privacy import PrivacyParams, common_queries
from q2pt_tasks.data.queries import MAY_DIFFER, normalise_query
from q2pt_tasks.data.schema import CATALOG, USERS, Locales
from q2pt_tasks.engine.interface import Engine
from q2pt_tasks.engine.opening import open_engine
from q2pt_tasks.engine.params import DEFAULT, EngineParams
from q2pt_tasks.engine.tables import collect, hash_rows, write_table
from q2pt_tasks.layout import Layout, catalog_file, day_file, day_files
from q2pt_tasks.memo import NOTHING, Key, Memo, md5_of, memo_of
from q2pt_tasks.params import Section, read_section
from q2pt_tasks.validation.products import products_of

_CLICKS = "clicks.parquet"
_IS_FORWARD = "is_forward"

Share = Annotated[float, Field(ge=0, le=1)]


class LabelParams(Section):
    """The section `label`."""

    forward_days: Annotated[int, Field(ge=1)]
    min_query_clicks: Annotated[int, Field(ge=1)]
    min_pair_clicks: Annotated[int, Field(ge=1)]
    forward_min_clicks: Annotated[int, Field(ge=1)]
    min_share: Share
    min_top_share: Share
    min_queries: Annotated[int, Field(ge=1)]
    min_product_types: Annotated[int, Field(ge=1)]

    def rules(self) -> LabelRules:
        return LabelRules(self.min_query_clicks, self.min_pair_clicks, self.min_share, self.min_top_share)

    def forward_rules(self) -> LabelRules:
        """One day holds too few clicks for the history's floors; the shares count just the same."""
        return LabelRules(self.forward_min_clicks, 1, self.min_share, self.min_top_share)


class TooFewLabelsError(ValueError):
    """The log does not hold enough labels to train on."""


@dataclass(frozen=True)
class LabelReport:
    """What came out: labelled queries of the history and of the forward days, and the history's product types.

    `rare_queries` are those that were left out for privacy.
    """

    queries: int
    forward_queries: int
    product_types: int
    rare_queries: int

    def __str__(self) -> str:
        return (
            f"{self.queries:,} labelled queries with {self.product_types:,} product types, "
            f"{self.forward_queries:,} queries on the forward days; {self.rare_queries:,} queries below the floor of "
            "privacy left out"
        )


def main(layout: Layout) -> LabelReport:
    return run(
        layout,
        read_section(layout.params, "label", LabelParams),
        read_section(layout.params, "locales", Locales),
        read_section(layout.params, "privacy", PrivacyParams),
        read_section(layout.params, "engine", EngineParams),
        memo_of(),
    )


def run(
    layout: Layout,
    params: LabelParams,
    locales: Sequence[str],
    privacy: PrivacyParams,
    engine_params: EngineParams = DEFAULT,
    memo: Memo = NOTHING,
) -> LabelReport:
    """Writes `data/labeled/{history,forward}/locale=XX.parquet` for every locale, empty where it has no labels.

    Queries below the floor `privacy` have none, whatever their clicks say.

    Beside them `assortment.json`, the product types of every locale's catalog.

    Raises:
        TooFewLabelsError: fewer queries or product types are left than the params' floors.
    """
    engine = open_engine(engine_params)
    catalog = engine.keep(engine.scan([catalog_file(layout.valid)]))
    shutil.rmtree(layout.labeled, ignore_errors=True)
    layout.labeled.mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir=layout.labeled, prefix=".clicks-") as folder:

        def count_day(engine: Engine, day: Path) -> tuple[str, Path]:
            return _count_day(engine, day, engine.kept(catalog), _largest(privacy), Path(folder), memo)

        days = list(engine.map(count_day, day_files(layout.valid)))
        clicks = _add_up(engine, days, _first_forward_day(layout, params), _largest(privacy))
    common = engine.keep(common_queries(clicks, privacy))
    shown = clicks.join(common, on=["locale", "query"], how="inner")

    def write(rules: LabelRules, name: str, *, is_forward: bool) -> tuple[int, int]:
        pairs = engine.keep(label_pairs(shown.filter(nw.col(_IS_FORWARD) == is_forward), rules))
        queries = sum(_write_locale(layout.labeled / name, pairs, locale) for locale in locales)
        return queries, len(collect(pairs.select("product_type").unique(), ("product_type",)))

    history = write(params.rules(), "history", is_forward=False)
    forward = write(params.forward_rules(), "forward", is_forward=True)
    rare = _count(clicks.select("locale", "query").unique()) - _count(common)
    report = LabelReport(history[0], forward[0], history[1], rare)
    _check_floors(report, params)
    _write_assortment(
        layout, collect(catalog.select("locale", "product_type").unique(), ("locale", "product_type")), locales
    )
    return report


def _largest(privacy: PrivacyParams) -> tuple[str, ...]:
    return () if privacy.min_query_users is None else (USERS,)


def _count(frame: nw.LazyFrame[Any]) -> int:
    return int(collect(frame.select(rows=nw.len()), ["rows"])["rows"][0].as_py())


def _count_day(
    engine: Engine, day: Path, catalog: nw.LazyFrame[Any], largest: Sequence[str], folder: Path, memo: Memo
) -> tuple[str, Path]:
    """The name of a day's file, and the file with its clicks by query as it was typed and product type."""
    events = engine.scan([day])

    def make(folder: Path) -> None:
        engine.set_aside(clicks_by_type(events, catalog, largest), folder / _CLICKS)

    def key() -> Key:
        # All that the day has of the catalog: types of products that it does not have change nothing here.
        md5 = md5_of(day)
        products = engine.frame(products_of(engine, day, md5, memo))
        types = hash_rows(types_of_products(products, catalog), CATALOG.names)
        return {"clicks of": md5, "largest": largest, "types": types}

    memo.fill(key, folder / day.stem, make)
    return day.name, folder / day.stem / _CLICKS


def _first_forward_day(layout: Layout, params: LabelParams) -> str:
    """The name of its file."""
    window = json.loads((layout.raw / "window.json").read_text())
    last = datetime.date.fromisoformat(window["last_day"])
    return day_file(Path(), last - datetime.timedelta(days=params.forward_days - 1)).name


def _add_up(
    engine: Engine, days: Sequence[tuple[str, Path]], first_forward: str, largest: Sequence[str]
) -> nw.LazyFrame[Any]:
    """The clicks of the history and, apart from them, of the forward days, per query in its normal form."""
    texts = [(name, pa.string()) for name in ("locale", "query", "product_type")]
    schema = pa.schema([*texts, *((name, pa.int64()) for name in ("clicks", *largest))])
    periods = [
        engine.scan_any([file for name, file in days if (name >= first_forward) == is_forward], schema).with_columns(
            nw.lit(is_forward).alias(_IS_FORWARD)
        )
        for is_forward in (False, True)
    ]
    # Before queries are looked at one by one: a query of every day is there once then.
    typed = engine.keep(add_clicks(nw.concat(periods), largest, [_IS_FORWARD]))
    distinct = engine.keep(typed.select(raw_query=nw.col("query")).unique())
    may_differ = nw.col("raw_query").str.contains(MAY_DIFFER)
    asked = engine.map_text(distinct.filter(may_differ), "raw_query", "query", normalise_query)
    forms = nw.concat([asked, distinct.filter(~may_differ).with_columns(query=nw.col("raw_query"))])
    added = engine.keep(add_clicks(with_normal_forms(typed, forms), largest, [_IS_FORWARD]))
    engine.drop(typed)
    engine.drop(distinct)
    return added


def _write_locale(folder: Path, pairs: nw.LazyFrame[Any], locale: str) -> int:
    """Writes the labels of one locale and returns their number."""
    own = pairs.filter(nw.col("locale") == locale).with_columns(worse=-nw.col("share"))
    labels = nest_labels(collect(own, ("query", "worse", "product_type")))
    write_table(labels, folder / f"locale={locale}.parquet")
    return len(labels)


def _write_assortment(layout: Layout, catalog: pa.Table, locales: Sequence[str]) -> None:
    sold: dict[str, list[str]] = {locale: [] for locale in locales}
    for row in catalog.to_pylist():
        if row["locale"] in sold:
            sold[row["locale"]].append(row["product_type"])
    layout.assortment.write_text(json.dumps(sold, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _check_floors(report: LabelReport, params: LabelParams) -> None:
    for found, floor, what in (
        (report.queries, params.min_queries, "queries"),
        (report.product_types, params.min_product_types, "product_types"),
    ):
        if found < floor:
            raise TooFewLabelsError(
                f"{found} labelled {what.replace('_', ' ')} are left, at least {floor} are needed (label.min_{what}): "
                "lengthen ingest.window_days, shorten label.forward_days, or lower the floors of section label"
            )
