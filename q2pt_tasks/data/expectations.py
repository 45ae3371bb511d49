"""What is expected of the tables as a whole: our own declarations, independent of the library that evaluates them.

An expectation speaks about one named figure. All figures of a run fit into one row, so no library ever sees the log.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import narwhals as nw
import pyarrow as pa
from pydantic import Field

from q2pt_tasks.data.floods import FLOOD, FloodRule
from q2pt_tasks.data.schema import CATALOG, EVENTS
from q2pt_tasks.data.tallies import Tally
from q2pt_tasks.data.volume import Volume, sum_rows
from q2pt_tasks.params import Section

Figure = int | float | str
Severity = Literal["error", "warning"]
Share = Annotated[float, Field(ge=0, le=1)]

EVENT_COLUMNS = "columns of events"
CATALOG_COLUMNS = "columns of catalog"
DAYS_PRESENT = "days with valid rows"
DAYS_MISSING = "days without valid rows"
DIRTY_EVENTS = "share of events that break a rule"
DIRTY_CATALOG = "share of catalog rows that break a rule"
KNOWN_PRODUCTS = "share of sound events whose product is in the catalog"
LOW_VOLUME_LOCALES = "share of locales with too few rows"
LOW_VOLUME_CLICKS = "share of clicks in locales with too few rows"
FALLEN_CLICKS = "share of clicks in locales whose newest day has hardly any rows"
FLOODS = "events of one query with too many of a day's clicks"


MOST_LOCALES = 0.5


class Limits(Section):
    """How bad the tables may be before the run stops."""

    max_missing_days: Annotated[int, Field(ge=0)] = 2
    max_dirty_share: Share = 0.05
    min_known_product_share: Share = 0.95
    min_locale_rows: Annotated[int, Field(ge=1)] = 100
    on_low_volume: Literal["warn", "exclude", "fail"] = "warn"
    max_low_volume_share: Share = 0.25
    min_newest_day_share: Share = 0.1
    max_query_click_share: Share = 0.2
    min_flood_clicks: Annotated[int, Field(ge=1)] = 200

    @property
    def flood(self) -> FloodRule:
        return FloodRule(self.max_query_click_share, self.min_flood_clicks)


@dataclass(frozen=True)
class Expectation:
    """What one figure must be."""

    figure: str
    """Also the expectation's name: each figure is expected to be one thing."""
    kind: str
    """The name of the class in Great Expectations that decides."""
    arguments: Mapping[str, object]
    """Its bounds, by its own names for them."""
    needed: str
    """The bounds in words."""
    severity: Severity = "error"
    """A warning that does not hold is said, and does not stop the run."""
    advice: str = ""
    """What to look at where it does not hold."""


@dataclass(frozen=True)
class Outcome:
    """One expectation, evaluated."""

    expectation: Expectation
    found: Figure
    holds: bool

    @property
    def fails(self) -> bool:
        return not self.holds and self.expectation.severity == "error"

    @property
    def warns(self) -> bool:
        return not self.holds and self.expectation.severity == "warning"

    def __str__(self) -> str:
        said = f"{self.expectation.figure}: found {say(self.found)}, needed {self.expectation.needed}"
        return f"{said}: {self.expectation.advice}" if self.expectation.advice and not self.holds else said


def say(figure: Figure) -> str:
    """A figure in words: whole numbers are counts, the others are shares."""
    if isinstance(figure, float):
        # Enough digits that 5.001 % is not said to exceed 5 %.
        return f"{100 * figure:.4f}".rstrip("0").rstrip(".") + " %"
    return f"{figure:,}" if isinstance(figure, int) else figure


def at_most(figure: str, limit: int | float) -> Expectation:
    """`figure` must not exceed `limit`."""
    return Expectation(figure, "ExpectColumnMaxToBeBetween", {"max_value": limit}, f"at most {say(limit)}")


def at_least(figure: str, limit: int | float) -> Expectation:
    """`figure` must not fall below `limit`."""
    return Expectation(figure, "ExpectColumnMinToBeBetween", {"min_value": limit}, f"at least {say(limit)}")


def equal_to(figure: str, text: str) -> Expectation:
    """`figure` must be exactly `text`."""
    return Expectation(figure, "ExpectColumnDistinctValuesToEqualSet", {"value_set": [text]}, text)


def describe_columns(schema: Mapping[str, object]) -> str:
    """Names and types of columns in one line; the engine's types, so that any engine can be asked."""
    return ", ".join(f"{name} {kind}" for name, kind in schema.items())


def expected_columns(schema: pa.Schema) -> str:
    """How `describe_columns` describes a table of `schema`."""
    return describe_columns(nw.from_native(schema.empty_table(), eager_only=True).schema)


def column_expectations(events: pa.Schema = EVENTS) -> tuple[Expectation, ...]:
    """What must hold before any row can be judged."""
    return (
        equal_to(EVENT_COLUMNS, expected_columns(events)),
        equal_to(CATALOG_COLUMNS, expected_columns(CATALOG)),
    )


def has_columns(figures: Mapping[str, Figure], events: pa.Schema = EVENTS) -> bool:
    """Whether rows can be judged: the columns are those that `column_expectations` names."""
    return figures == {EVENT_COLUMNS: expected_columns(events), CATALOG_COLUMNS: expected_columns(CATALOG)}


def rule_figure(rule_name: str) -> str:
    """The figure of one rule's share of the events."""
    return f"share of events with {rule_name}"


def locale_figure(locale: str) -> str:
    """The figure of one locale's volume."""
    return f"valid rows of {locale}"


def newest_figure(locale: str) -> str:
    """The figure of one locale's newest day."""
    return f"rows of {locale} on the newest day, of a usual day's"


# What mostly lies behind a figure, for whoever has to mend it.
_TWICE = "a day may have landed twice: deliver each day once, a corrected one in place of its file"
_GAP = "days have not landed: deliver them, then resolve again"
_CATALOG = "the catalog may be of another day, or lack a store: deliver the one that belongs to the log"
_FALLEN = (
    "the store's log may not have landed whole: ask who delivers it; for one that has closed, take it out of locales "
    "and retire it"
)
_FLOOD = "perhaps bots: they are set apart; raise validate.max_query_click_share where shoppers did it"


def row_expectations(limits: Limits, rule_names: Iterable[str], volume: Volume) -> tuple[Expectation, ...]:
    """What must hold of the judged rows."""
    return (
        at_least(DAYS_PRESENT, 1),
        replace(at_most(DAYS_MISSING, limits.max_missing_days), advice=_GAP),
        at_most(DIRTY_EVENTS, limits.max_dirty_share),
        *(_rule_expectation(name, limits) for name in rule_names),
        at_most(DIRTY_CATALOG, limits.max_dirty_share),
        replace(at_least(KNOWN_PRODUCTS, limits.min_known_product_share), advice=_CATALOG),
        # Whatever a single small store may do: most of them, or much of the traffic, are no small store's trouble. A
        # store without rows has no traffic to be missed by, so the number of stores is looked at as well.
        at_most(LOW_VOLUME_LOCALES, MOST_LOCALES),
        at_most(LOW_VOLUME_CLICKS, limits.max_low_volume_share),
        *(_volume_expectation(locale, limits) for locale in volume.locales),
        replace(at_most(FALLEN_CLICKS, limits.max_low_volume_share), advice=_FALLEN),
        *(_newest_expectation(locale, limits) for locale in volume.newest),
        replace(at_most(FLOODS, 0), severity="warning", advice=_FLOOD),
    )


def _rule_expectation(name: str, limits: Limits) -> Expectation:
    advice = _TWICE if name == "duplicate" else ""
    return replace(at_most(rule_figure(name), limits.max_dirty_share), advice=advice)


def _volume_expectation(locale: str, limits: Limits) -> Expectation:
    severity: Severity = "error" if limits.on_low_volume == "fail" else "warning"
    return replace(at_least(locale_figure(locale), limits.min_locale_rows), severity=severity)


def _newest_expectation(locale: str, limits: Limits) -> Expectation:
    severity: Severity = "error" if limits.on_low_volume == "fail" else "warning"
    expected = at_least(newest_figure(locale), limits.min_newest_day_share)
    return replace(expected, severity=severity, advice=_FALLEN)


def row_figures(
    tallies: Sequence[Tally], rules: Mapping[str, str], volume: Volume, dirty_catalog_share: float
) -> dict[str, Figure]:
    """Every figure that `row_expectations` speaks of.

    `rules` maps the name of each rule that makes a row dirty to its reason; rows with another reason are not judged.
    """
    per_reason = sum_rows((tally.reason, tally.rows) for tally in tallies)
    total = per_reason[None] + sum(per_reason[reason] for reason in rules.values())
    sound = per_reason[None] + per_reason[rules["duplicate"]]
    clicks = _clicks(tallies, volume.locales)
    return {
        DAYS_PRESENT: len(volume.days) - len(volume.missing_days),
        DAYS_MISSING: len(volume.missing_days),
        DIRTY_EVENTS: share(total - per_reason[None], total),
        **{rule_figure(name): share(per_reason[reason], total) for name, reason in rules.items()},
        DIRTY_CATALOG: dirty_catalog_share,
        KNOWN_PRODUCTS: share(sound, sound + per_reason[rules["product_unknown"]]),
        LOW_VOLUME_LOCALES: share(len(volume.low), len(volume.locales)),
        LOW_VOLUME_CLICKS: share(_clicks(tallies, volume.low), clicks),
        **{locale_figure(locale): rows for locale, rows in volume.locales.items()},
        FALLEN_CLICKS: share(_clicks(tallies, volume.fallen), clicks),
        **{newest_figure(locale): found for locale, found in volume.newest.items()},
        FLOODS: per_reason[FLOOD[1]],
    }


def _clicks(tallies: Sequence[Tally], locales: Container[str | None]) -> float:
    """What locales are worth to the shop: clicks of shoppers alone."""
    return sum(tally.clicks for tally in tallies if tally.locale in locales and tally.reason != FLOOD[1])


def share(part: float, whole: float) -> float:
    """`part` of `whole`; nothing of nothing is 0, never undefined: checks pass over undefined figures."""
    return part / whole if whole else 0.0
