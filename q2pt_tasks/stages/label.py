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

from q2pt_tasks.data.labels import LabelRules, add_clicks, label_pairs, nest_labels
from q2pt_tasks.data.privacy import PrivacyParams, common_queries, figures_of_queries
from q2pt_tasks.data.schema import USERS, Locales
from q2pt_tasks.engine.interface import Engine, Frame
from q2pt_tasks.engine.opening import open_engine
from q2pt_tasks.engine.params import DEFAULT, EngineParams
from q2pt_tasks.engine.tables import collect, write_table
from q2pt_tasks.labelling.clicks import Counting, count_clicks
from q2pt_tasks.layout import Layout, catalog_file, day_file, day_files
from q2pt_tasks.memo import NOTHING, Memo, memo_of
from q2pt_tasks.params import Section, read_section

# Events that an engine counts at once for each megabyte that it may use: of 30,000 the sums fitted, of 100,000 not.
_ROWS_PER_MB = 20_000

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
        rows = engine_params.memory_limit_mb * _ROWS_PER_MB
        counting = Counting(catalog, _largest(privacy), Path(folder), memo, rows)
        periods = _periods(day_files(layout.valid), _first_forward_day(layout, params))
        clicks = [count_clicks(engine, days, counting) for days in periods]
        asked = engine.keep(figures_of_queries(nw.concat(clicks), privacy))
        common = engine.keep(common_queries(asked, privacy))
        shown = [engine.keep(_clicks_of(common, own)) for own in clicks]

    def write(clicks: Frame, rules: LabelRules, name: str) -> tuple[int, int]:
        pairs = engine.keep(label_pairs(clicks, rules))

        def write_one(engine: Engine, locale: str) -> int:
            return _write_locale(layout.labeled / name, engine.kept(pairs), locale)

        queries = sum(engine.map(write_one, locales))
        return queries, len(collect(pairs.select("product_type").unique(), ("product_type",)))

    history = write(shown[0], params.rules(), "history")
    forward = write(shown[1], params.forward_rules(), "forward")
    report = LabelReport(history[0], forward[0], history[1], _count(asked) - _count(common))
    _check_floors(report, params)
    _write_assortment(
        layout, collect(catalog.select("locale", "product_type").unique(), ("locale", "product_type")), locales
    )
    return report


def _largest(privacy: PrivacyParams) -> tuple[str, ...]:
    return () if privacy.min_query_users is None else (USERS,)


def _count(frame: nw.LazyFrame[Any]) -> int:
    return int(collect(frame.select(rows=nw.len()), ["rows"])["rows"][0].as_py())


def _first_forward_day(layout: Layout, params: LabelParams) -> str:
    """The name of its file."""
    window = json.loads((layout.raw / "window.json").read_text())
    last = datetime.date.fromisoformat(window["last_day"])
    return day_file(Path(), last - datetime.timedelta(days=params.forward_days - 1)).name


def _periods(days: Sequence[Path], first_forward: str) -> tuple[Sequence[Path], Sequence[Path]]:
    """The days of the history, and the forward days."""
    history = [day for day in days if day.name < first_forward]
    return history, days[len(history) :]


def _clicks_of(queries: Frame, clicks: Frame) -> Frame:
    """The clicks of some `queries`, added up: most of those that were typed are rare, and need not be."""
    return add_clicks(clicks.join(queries, on=["locale", "query"], how="inner"))


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
