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
    normalised,
    types_of_products,
)
from q2pt_tasks.data.privacy import PrivacyParams, common_queries
from q2pt_tasks.data.queries import normalise_query
from q2pt_tasks.data.schema import CATALOG, USERS, Locales
from q2pt_tasks.engine import DEFAULT, Engine, EngineParams, collect, hash_rows, write_table
from q2pt_tasks.layout import Layout, catalog_file, day_file, day_files
from q2pt_tasks.memo import NOTHING, Key, Memo, md5_of, memo_of
from q2pt_tasks.params import Section, read_section

_CLICKS = "clicks.parquet"

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
    engine = Engine(engine_params)
    catalog = engine.keep(engine.scan([catalog_file(layout.valid)]))
    shutil.rmtree(layout.labeled, ignore_errors=True)
    layout.labeled.mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir=layout.labeled, prefix=".clicks-") as folder:

        def count_day(engine: Engine, day: Path) -> tuple[str, Path]:
            return _count_day(engine, day, engine.kept(catalog), _largest(privacy), Path(folder), memo)

        days = list(engine.map(count_day, day_files(layout.valid)))
        typed = engine.scan_any([file for _, file in days], _clicks_schema(privacy))
        forms = engine.keep(_normal_forms(engine, typed))
        clicks = normalised(typed, forms)
        common = engine.keep(common_queries(clicks, privacy))

        def write(files: Sequence[Path], rules: LabelRules, name: str) -> tuple[int, int]:
            period = normalised(engine.scan_any(files, _clicks_schema(privacy)), forms)
            shown = add_clicks(period.join(common, on=["locale", "query"], how="inner"))
            pairs = engine.keep(label_pairs(shown, rules))
            queries = sum(_write_locale(layout.labeled / name, pairs, locale) for locale in locales)
            return queries, len(collect(pairs.select("product_type").unique(), ("product_type",)))

        first = day_file(Path(), _last_day(layout) - datetime.timedelta(days=params.forward_days - 1)).name
        history = write([file for day, file in days if day < first], params.rules(), "history")
        forward = write([file for day, file in days if day >= first], params.forward_rules(), "forward")
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


def _clicks_schema(privacy: PrivacyParams) -> pa.Schema:
    texts = [(name, pa.string()) for name in ("locale", "query", "product_type")]
    return pa.schema([*texts, *((name, pa.int64()) for name in ("clicks", *_largest(privacy)))])


def _count_day(
    engine: Engine, day: Path, catalog: nw.LazyFrame[Any], largest: Sequence[str], folder: Path, memo: Memo
) -> tuple[str, Path]:
    """The name of a day's file, and the file with its clicks by query as it was typed and product type."""
    events = engine.scan([day])

    def make(folder: Path) -> None:
        engine.set_aside(clicks_by_type(events, catalog, largest), folder / _CLICKS)

    def key() -> Key:
        # All that the day has of the catalog: types of products that it does not have change nothing here.
        types = hash_rows(types_of_products(events, catalog), CATALOG.names)
        return {"clicks of": md5_of(day), "largest": largest, "types": types}

    memo.fill(key, folder / day.stem, make)
    return day.name, folder / day.stem / _CLICKS


def _last_day(layout: Layout) -> datetime.date:
    window = json.loads((layout.raw / "window.json").read_text())
    return datetime.date.fromisoformat(window["last_day"])


def _normal_forms(engine: Engine, clicks: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Every query of `clicks` with its normal form: the function of Python's is asked once for each."""
    distinct = engine.keep(clicks.select(raw_query=nw.col("query")).unique())
    return engine.map_text(distinct, "raw_query", "query", normalise_query)


def _write_locale(folder: Path, pairs: nw.LazyFrame[Any], locale: str) -> int:
    """Writes the labels of one locale and returns their number."""
    own = collect(pairs.filter(nw.col("locale") == locale), ("query", "product_type"))
    labels = nest_labels(own)
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
