"""Divides the events of one day into valid and quarantined rows, unless an earlier run has divided the same."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import narwhals as nw
import pyarrow as pa
from pydantic import TypeAdapter

from q2pt_tasks.data import row_rules
from q2pt_tasks.data.floods import FloodRule, Query, find_floods, mark_floods
from q2pt_tasks.data.row_rules import Frame, Rule, Window
from q2pt_tasks.data.schema import CATALOG_KEY, ROW_ORDER
from q2pt_tasks.data.sorted_rows import clicks_of_queries, mark_repeats, whole_queries
from q2pt_tasks.data.tallies import Tally, tally_rows
from q2pt_tasks.engine.interface import Engine
from q2pt_tasks.engine.tables import ROW_GROUP_ROWS, hash_rows, open_table, sorted_batches
from q2pt_tasks.memo import NOTHING, Key, Memo, hash_of
from q2pt_tasks.validation.products import products_of
from q2pt_tasks.validation.tables import complete_order, quarantined_rows, valid_rows, with_reason

_TALLIES = TypeAdapter(list[Tally])


@dataclass(frozen=True)
class EventRules:
    """What events are judged by, beside the catalog.

    Attributes:
        locales: the shop's.
        window: the days that the log must cover.
        max_query_chars: the longest query.
        flood: when a query is one.
        columns: of the events.
        exclusions: locales of which no row is valid, and why.
    """

    locales: tuple[str, ...]
    window: Window
    max_query_chars: int
    flood: FloodRule
    columns: pa.Schema
    exclusions: Mapping[str, str] = field(default_factory=dict)

    @property
    def rules(self) -> tuple[Rule, ...]:
        return row_rules.event_rules(self.locales, self.window, self.max_query_chars, self.columns)

    @property
    def reasons(self) -> dict[str, str]:
        """The sentence of each rule of a row by its name."""
        return row_rules.reasons_by_name(self.rules, row_rules.DUPLICATE_EVENT)

    def exclude(self, judged: pa.Table) -> pa.Table:
        """`judged` without a valid row of the excluded locales."""
        return row_rules.exclude_locales(nw.from_native(judged, eager_only=True), self.exclusions).to_native()


@dataclass(frozen=True)
class Part:
    """Events that are judged together; without a day those that lie on no day of the window."""

    files: tuple[Path, ...]
    day: date | None = None


@dataclass(frozen=True)
class Divided:
    """A folder with what a part was divided into."""

    folder: Path

    @property
    def valid(self) -> Path:
        return self.folder / "valid.parquet"

    @property
    def quarantined(self) -> Path:
        return self.folder / "quarantined.parquet"

    @property
    def tallies(self) -> list[Tally]:
        """How many rows of which reason, locale and day there are."""
        return _TALLIES.validate_json(self._tallies.read_bytes())

    def write(self, engine: Engine, judged: Frame, rules: EventRules) -> None:
        """Writes valid and quarantined rows in order, and their tallies."""
        if floods := self._write(engine, judged, rules, ()):
            # How many clicks a store has is known only at its end: a second pass, on the rare day that needs one.
            self._write(engine, judged, rules, floods)

    def _write(self, engine: Engine, judged: Frame, rules: EventRules, floods: Collection[Query]) -> frozenset[Query]:
        """Writes all with `floods` set apart; returns those that are among the valid rows."""
        schema, tallies = with_reason(rules.columns), list[Tally]()
        queries: dict[Query, float] = {}
        with open_table(self.valid, rules.columns) as valid, open_table(self.quarantined, schema) as quarantined:
            tables = sorted_batches(engine, judged, complete_order(rules.columns, ROW_ORDER), schema)
            for rows in whole_queries(tables):
                table = mark_floods(rules.exclude(mark_repeats(rows)), floods)
                good, bad = valid_rows(table), quarantined_rows(table)
                for writer, part in ((valid, good), (quarantined, bad)):
                    if part.num_rows:
                        writer.write_table(part, row_group_size=ROW_GROUP_ROWS)
                queries |= clicks_of_queries(good, rules.flood.clicks)
                tally = tally_rows(nw.from_native(table, eager_only=True), rules.locales, rules.window)
                tallies += [Tally(**each) for each in tally.to_native().to_pylist()]
        self._tallies.write_bytes(_TALLIES.dump_json(tallies))
        return find_floods(queries, _clicks_of_stores(tallies), rules.flood)

    @property
    def _tallies(self) -> Path:
        return self.folder / "tallies.json"


@dataclass(frozen=True)
class PartDivision:
    """Divides parts by `rules`, each once."""

    rules: EventRules
    memo: Memo

    def divide(self, engine: Engine, part: Part, catalog: Frame, folder: Path) -> Divided:
        """Fills the new `folder` with what `part` is divided into; `catalog` holds valid products only."""
        events = engine.scan(part.files)
        # Parts without a day depend on the window.
        memo = self.memo if part.day else NOTHING
        memo.fill(
            lambda: self._key(engine, part, catalog),
            folder,
            lambda folder: self._judge(engine, events.filter(self._belongs_to(part)), catalog, Divided(folder)),
        )
        return Divided(folder)

    def _belongs_to(self, part: Part) -> nw.Expr:
        day = nw.col("event_date")
        return day == part.day if part.day else day.is_null() | ~self.rules.window.contains("event_date")

    def _judge(self, engine: Engine, events: Frame, catalog: Frame, divided: Divided) -> None:
        judged = row_rules.judge_events(events, catalog, self.rules.rules, self.rules.columns)
        divided.write(engine, judged, self.rules)

    def _key(self, engine: Engine, part: Part, catalog: Frame) -> Key:
        hashes = [hash_of(file) for file in part.files]
        products = [
            products_of(engine, file, sha256, self.memo) for file, sha256 in zip(part.files, hashes, strict=True)
        ]
        return {
            "judged": hashes,
            "columns": self.rules.columns.names,
            "locales": self.rules.locales,
            "max_query_chars": self.rules.max_query_chars,
            "flood": str(self.rules.flood),
            "exclusions": self.rules.exclusions,
            # All that the day has of the catalog: products that come or go elsewhere change nothing here.
            "unknown": hash_rows(
                row_rules.unknown_products(engine.frame(pa.concat_tables(products)), catalog), CATALOG_KEY
            ),
        }


def _clicks_of_stores(tallies: Iterable[Tally]) -> Mapping[str, float]:
    """The clicks of the valid rows of each store."""
    clicks: defaultdict[str, float] = defaultdict(float)
    for tally in tallies:
        if tally.reason is None and tally.locale is not None:
            clicks[tally.locale] += tally.clicks
    return clicks
