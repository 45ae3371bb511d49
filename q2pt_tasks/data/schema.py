"""The two tables that the pipeline starts from, and what a locale is."""

import re
from typing import Annotated

import pyarrow as pa
from pydantic import AfterValidator, Field

from q2pt_tasks.data.text_shape import show_locale

# One row per day, locale, query and product.
EVENTS = pa.schema(
    [
        ("event_date", pa.date32()),
        ("locale", pa.string()),
        ("query", pa.string()),
        ("product_id", pa.string()),
        ("impressions", pa.int64()),
        ("clicks", pa.int64()),
        ("carts", pa.int64()),
        ("purchases", pa.int64()),
    ]
)
EVENT_KEY = ("event_date", "locale", "query", "product_id")
# How a day's rows are sorted: the day last, since a sort that compares it first compares it in vain.
ROW_ORDER = ("locale", "query", "product_id", "event_date")
COUNTS = ("impressions", "clicks", "carts", "purchases")
# An optional count of a log: how many distinct users a row stands for. See `data/privacy.py`.
USERS = "users"

CATALOG = pa.schema([("product_id", pa.string()), ("locale", pa.string()), ("product_type", pa.string())])
CATALOG_KEY = ("locale", "product_id")

# BCP 47, the part that shops use: language, optional script, region. A locale names files: nothing else may pass.
LOCALE_PATTERN = r"^[a-z]{2,3}(-[A-Z][a-z]{3})?-([A-Z]{2}|[0-9]{3})$"


def counts_of(events: pa.Schema) -> tuple[str, ...]:
    """The columns of `events` that count, all but its key."""
    return tuple(name for name in events.names if name not in EVENT_KEY)


class LocaleError(ValueError):
    """A name is not that of a locale."""


def check_locale(locale: str) -> str:
    """`locale` itself, where it is a language and a region such as `en-GB`.

    Raises:
        LocaleError: it is anything else.
    """
    if not re.fullmatch(LOCALE_PATTERN, locale):
        raise LocaleError(f"a locale is a language and a region such as en-GB, found {show_locale(locale)}")
    return locale


Locale = Annotated[str, AfterValidator(check_locale)]


def _check_distinct(locales: tuple[str, ...]) -> tuple[str, ...]:
    if repeated := sorted({locale for locale in locales if locales.count(locale) > 1}):
        raise LocaleError(f"each locale once; {', '.join(repeated)} stands there more than once")
    return locales


# The section `locales` of params.yaml.
Locales = Annotated[tuple[Locale, ...], Field(min_length=1), AfterValidator(_check_distinct)]
