"""What makes a row unfit, as expressions that the engine evaluates.

A judged table has one more column, `reason`: the sentence of the first rule that the row breaks, in the declared
order, or null where the row is valid. Rows are marked, never dropped, so none can be lost here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, TypeVar

import narwhals as nw
import pyarrow as pa

from q2pt_tasks.data.schema import CATALOG, CATALOG_KEY, EVENTS, LOCALE_PATTERN, counts_of

Frame = nw.LazyFrame[Any]
AnyFrame = TypeVar("AnyFrame", nw.LazyFrame[Any], nw.DataFrame[Any])

REASON = "reason"
_IS_CLEAN = "is_clean"

# Engines differ in `\s`, in whether `$` stands before a last line break as well, and in the version of Unicode: what
# became a format mark (Cf) after its version 13 is named.
_SPACE = r"\t\n\f\r\p{Z}"
_FORMAT = r"\p{Cf}\x{890}\x{891}\x{13439}-\x{1343F}"
# A letter, digit, sign or emoji: anything but white space and invisible format marks, so that a query of nothing but
# right-to-left marks counts as blank while one that contains them does not.
_VISIBLE = rf"[^{_SPACE}{_FORMAT}]"
_CONTROL = r"\p{Cc}"
_PADDED = rf"^[{_SPACE}]|[{_SPACE}]\z"
_LOCALE = LOCALE_PATTERN.removesuffix("$") + r"\z"

# Far above what a product can reach in a day, and far enough below 2**63 that sums of counts still fit into 64 bits.
MAX_COUNT = 10**12

LOCALE_MALFORMED = "the locale is not a language and a region such as en-GB"
# Nothing is wrong with such a row, it was only not asked for: it is kept apart, and does not count as dirty.
LOCALE_UNLISTED = "the locale is not among the locales of the params"
PRODUCT_UNKNOWN = "the product is not in the catalog of its locale"


@dataclass(frozen=True)
class Window:
    """The days, both included, that the log must cover."""

    first_day: date
    last_day: date

    def __post_init__(self) -> None:
        if self.first_day > self.last_day:
            raise ValueError(f"the window ends on {self.last_day}, before it starts on {self.first_day}")

    def __str__(self) -> str:
        return f"{self.first_day} to {self.last_day}"

    @property
    def days(self) -> tuple[date, ...]:
        length = (self.last_day - self.first_day).days + 1
        return tuple(self.first_day + timedelta(days=offset) for offset in range(length))

    def contains(self, column: str) -> nw.Expr:
        """True where the date in `column` lies inside, null where it is null."""
        return nw.col(column).is_between(self.first_day, self.last_day)


@dataclass(frozen=True)
class Rule:
    """One reason to quarantine a row."""

    name: str
    """Short and stable, for figures and reports."""
    reason: str
    """A sentence for people; different for each rule."""
    broken: nw.Expr
    """True where the row breaks the rule. Null counts as false: a missing value has its own rule before."""


# Judged across rows, among those that break no other rule, hence always last.
DUPLICATE_EVENT = ("duplicate", "the row repeats a date, locale, query and product")
DUPLICATE_PRODUCT = ("duplicate", "the row repeats a locale and product")


def event_rules(
    locales: Sequence[str], window: Window, max_query_chars: int, schema: pa.Schema = EVENTS
) -> tuple[Rule, ...]:
    """The rules of an event of `schema` in the order in which they apply. `in_catalog` is joined by `judge_events`."""
    query = nw.col("query")
    counts = [nw.col(name) for name in counts_of(schema)]
    return (
        *_locale_rules(locales),
        Rule("date_missing", "the date is missing", nw.col("event_date").is_null()),
        Rule("date_outside_window", f"the date lies outside the window {window}", ~window.contains("event_date")),
        Rule("query_missing", "the query is missing or blank", _is_blank("query", _begins_strangely("query"))),
        Rule("query_too_long", f"the query is longer than {max_query_chars} characters", _is_long(max_query_chars)),
        Rule("query_control", "the query has control characters", query.str.contains(_CONTROL)),
        Rule(
            "product_missing",
            "the product is missing or blank",
            _is_blank("product_id", nw.col("in_catalog").is_null()),
        ),
        Rule("count_missing", "a count is missing", _any(count.is_null() for count in counts)),
        Rule("count_negative", "a count is negative", _any(count < 0 for count in counts)),
        Rule("count_too_large", f"a count is above {MAX_COUNT:,}", _any(count > MAX_COUNT for count in counts)),
        Rule("clicks_exceed", "there are more clicks than impressions", nw.col("clicks") > nw.col("impressions")),
        Rule("product_unknown", PRODUCT_UNKNOWN, nw.col("in_catalog").is_null()),
    )


def catalog_rules(locales: Sequence[str]) -> tuple[Rule, ...]:
    """The rules of a catalog row in the order in which they apply."""
    product_type = nw.col("product_type")
    return (
        *_locale_rules(locales),
        Rule(
            "product_missing",
            "the product is missing or blank",
            _is_blank("product_id", _begins_strangely("product_id")),
        ),
        Rule(
            "product_type_missing",
            "the product type is missing or blank",
            _is_blank("product_type", _begins_strangely("product_type")),
        ),
        Rule("product_type_padded", "the product type has surrounding white space", product_type.str.contains(_PADDED)),
        Rule("product_type_control", "the product type has control characters", product_type.str.contains(_CONTROL)),
    )


def reasons_by_name(rules: Sequence[Rule], duplicate: tuple[str, str]) -> dict[str, str]:
    """The reason of every rule by its name, in the order in which they apply."""
    return {rule.name: rule.reason for rule in rules} | dict([duplicate])


def dirt(reasons: Mapping[str, str]) -> dict[str, str]:
    """Those of `reasons` that speak against the log: not that of a locale which nobody asked for."""
    return {name: reason for name, reason in reasons.items() if reason != LOCALE_UNLISTED}


def judge_events(events: Frame, catalog: Frame, rules: Sequence[Rule], schema: pa.Schema = EVENTS) -> Frame:
    """`events` of `schema` with `reason`, but for rows that repeat others: those are told when they are sorted.

    Args:
        events: to judge.
        catalog: of valid products only: one row per locale and product.
        rules: of `event_rules`.
        schema: the columns of `events`.
    """
    known = catalog.select(*CATALOG_KEY, in_catalog=nw.lit(True))
    judged = events.join(known, on=list(CATALOG_KEY), how="left")
    return judged.select(*schema.names, _first_reason(rules))


def unknown_products(events: Frame, catalog: Frame) -> Frame:
    """Locale and product of the `events` that `catalog` does not have, once each: all of it that they depend on."""
    key = list(CATALOG_KEY)
    return events.select(*key).unique().join(catalog.select(*key), on=key, how="anti")


def judge_catalog(catalog: Frame, rules: Sequence[Rule]) -> Frame:
    """`catalog` with `reason`. Of valid rows with one key that with the first type in order stays."""
    # A row already judged unfit must not take the place of a valid one: the two are told apart before they are ranked.
    judged = catalog.with_columns(_first_reason(rules)).with_columns(nw.col(REASON).is_null().alias(_IS_CLEAN))
    first = nw.col(CATALOG_KEY[-1]).is_first_distinct().over(*CATALOG_KEY, _IS_CLEAN, order_by="product_type")
    return (
        judged.with_columns(stays=first)
        .with_columns(nw.coalesce(nw.col(REASON), _when(~nw.col("stays"), DUPLICATE_PRODUCT[1])).alias(REASON))
        .select(*CATALOG.names, REASON)
    )


def exclusion_reason(rows: int, minimum: int) -> str:
    """Why the valid `rows` of a locale are quarantined as well."""
    return f"locale excluded: {rows} rows, at least {minimum} needed"


def exclude_locales(judged: AnyFrame, reasons: Mapping[str, str]) -> AnyFrame:
    """`judged` where every valid row of a locale in `reasons` gets that reason."""
    if not reasons:
        return judged
    exclusions = [_when(nw.col("locale") == locale, reason) for locale, reason in sorted(reasons.items())]
    return judged.with_columns(nw.coalesce(nw.col(REASON), *exclusions).alias(REASON))


def _locale_rules(locales: Sequence[str]) -> tuple[Rule, ...]:
    # Nearly all rows have one of them, and need not be matched with a pattern then.
    is_other = ~nw.col("locale").is_in(list(locales))
    return (
        Rule("locale_missing", "the locale is missing or blank", _is_blank("locale", is_other)),
        Rule("locale_malformed", LOCALE_MALFORMED, is_other & ~nw.col("locale").str.contains(_LOCALE)),
        Rule("locale_unlisted", LOCALE_UNLISTED, is_other),
    )


def _is_blank(column: str, may_be: nw.Expr) -> nw.Expr:
    """Whether a text is missing, or, where it `may_be`, has nothing that can be seen."""
    # Control characters count as visible here: in a query they have a rule of their own.
    return nw.col(column).is_null() | (may_be & ~nw.col(column).str.contains(_VISIBLE))


def _begins_strangely(column: str) -> nw.Expr:
    """Not with a sign of ASCII that can be seen, as most texts do."""
    return ~nw.col(column).str.slice(0, 1).is_between(nw.lit("!"), nw.lit("~"))


def _is_long(max_query_chars: int) -> nw.Expr:
    return nw.col("query").str.len_chars() > max_query_chars


def _any(conditions: Iterable[nw.Expr]) -> nw.Expr:
    return nw.any_horizontal(*conditions, ignore_nulls=True)


def _when(condition: nw.Expr, reason: str) -> nw.Expr:
    return nw.when(condition).then(nw.lit(reason))


def _first_reason(rules: Sequence[Rule]) -> nw.Expr:
    return nw.coalesce(*[_when(rule.broken, rule.reason) for rule in rules]).alias(REASON)
