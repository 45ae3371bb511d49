"""Divides the events of one day into valid and quarantined rows, unless an earlier run has divided the same."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import narwhals as nw
import pyarrow as pa
from pydantic import TypeAdapter

from q2pt_tasks.data import row_rules
from q2pt_tasks.data.floods import FloodRule, find_floods, mark_floods
from q2pt_tasks.data.row_rules import Frame, Rule, Window
from q2pt_tasks.data.schema import CATALOG_KEY, EVENT_KEY
from q2pt_tasks.data.tallies import Tally, tally_rows
from q2pt_tasks.engine import ROW_GROUP_ROWS, Engine, collect, hash_rows, open_table, sorted_batches
from q2pt_tasks.memo import NOTHING, Key, Memo, md5_of
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

    def write(self, judged: Frame, rules: EventRules) -> None:
        """Writes valid and quarantined rows in order, and their tallies."""
        schema, tallies = with_reason(rules.columns), []
        with open_table(self.valid, rules.columns) as valid, open_table(self.quarantined, schema) as quarantined:
            for table in sorted_batches(judged, complete_order(rules.columns, EVENT_KEY), schema):
                for writer, rows in ((valid, valid_rows(table)), (quarantined, quarantined_rows(table))):
                    if rows.num_rows:
                        writer.write_table(rows, row_group_size=ROW_GROUP_ROWS)
                tally = tally_rows(nw.from_native(table, eager_only=True), rules.locales, rules.window)
                tallies += [Tally(**each) for each in tally.to_native().to_pylist()]
        self._tallies.write_bytes(_TALLIES.dump_json(tallies))

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
            lambda: self._key(part, events, catalog),
            folder,
            lambda folder: self._judge(engine, events.filter(self._belongs_to(part)), catalog, Divided(folder)),
        )
        return Divided(folder)

    def _belongs_to(self, part: Part) -> nw.Expr:
        day = nw.col("event_date")
        return day == part.day if part.day else day.is_null() | ~self.rules.window.contains("event_date")

    def _judge(self, engine: Engine, events: Frame, catalog: Frame, divided: Divided) -> None:
        judged = row_rules.judge_events(events, catalog, self.rules.rules, self.rules.columns)
        kept = self._mark_floods(engine, engine.keep(row_rules.exclude_locales(judged, self.rules.exclusions)))
        divided.write(kept, self.rules)
        engine.drop(kept)

    def _mark_floods(self, engine: Engine, kept: Frame) -> Frame:
        """`kept` with the floods of its day marked; one without any, as most are, is not computed again."""
        floods = engine.keep(find_floods(kept, self.rules.flood))
        if not len(collect(floods, floods.collect_schema().names())):
            engine.drop(floods)
            return kept
        marked = engine.keep(mark_floods(kept, floods))
        engine.drop(floods)
        engine.drop(kept)
        return marked

    def _key(self, part: Part, events: Frame, catalog: Frame) -> Key:
        return {
            "judged": [md5_of(file) for file in part.files],
            "columns": self.rules.columns.names,
            "locales": self.rules.locales,
            "max_query_chars": self.rules.max_query_chars,
            "flood": str(self.rules.flood),
            "exclusions": self.rules.exclusions,
            # All that the day has of the catalog: products that come or go elsewhere change nothing here.
            "unknown": hash_rows(row_rules.unknown_products(events, catalog), CATALOG_KEY),
        }
