"""What a decision looks at: the figures of an evaluation, and what is known of champion and challengers beside them."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

from pydantic import FiniteFloat

ALL_LOCALES = "all"
CHAMPION = "champion"
# The simplest first: a tie goes to the model that is easiest to run, one without a locale token, last one per locale.
VARIANTS = ("unified_agnostic", "unified_aware", "non_unified")
# Most product types have a handful of positives in one locale, so a locale is judged by all its pairs together.
LOCALE_METRIC = "micro_recall"


class SummaryError(ValueError):
    """What evaluate wrote cannot be decided on."""


@dataclass(frozen=True)
class Row:
    """One figure of a variant on a split, of one locale or of all; `n` positives, or types of a macro figure."""

    variant: str
    locale: str
    split: str
    metric: str
    value: FiniteFloat | None
    n: int


@dataclass(frozen=True)
class Difference:
    """A figure of `variant` minus the champion's, on the queries, locales and product types that both know.

    `own` and `champion` are the figures there, `n` counts positives or, of a macro figure, types; `low` to `high` is
    the interval of the difference `value`.
    """

    variant: str
    split: str
    locale: str
    metric: str
    own: FiniteFloat
    champion: FiniteFloat
    n: int
    value: FiniteFloat
    low: FiniteFloat
    high: FiniteFloat
    standard_error: FiniteFloat


@dataclass(frozen=True)
class ModelState:
    """What training said of one model; `locale` is None for a model of all locales."""

    variant: str
    locale: str | None
    status: Literal["trained", "degenerate", "untrained"]
    reason: str


@dataclass(frozen=True)
class Champion:
    """The model in production."""

    version: str
    hash: str


@dataclass(frozen=True)
class TypeSupport:
    """A product type that only one of two models knows, and its positives where the other one does not know it."""

    product_type: str
    positives: int


@dataclass(frozen=True)
class Parity:
    """The gap between the stores with the best and the worst recall, and its change against the champion's own gap."""

    best: str
    worst: str
    gap: FiniteFloat
    change: FiniteFloat | None
    change_low: FiniteFloat | None
    change_high: FiniteFloat | None


@dataclass(frozen=True)
class JudgedFigure:
    """A figure over all locales on human judgements, with its interval and the number of judged queries."""

    metric: str
    value: FiniteFloat
    low: FiniteFloat
    high: FiniteFloat
    queries: int


@dataclass(frozen=True)
class VariantFacts:
    """What is known of a variant's models.

    Attributes:
        variant: its name.
        bytes: of all its files.
        expected_error: how far its scores are from the share that is right, as a mean; None where that is not defined.
        identical: whether it gives every locale the champion's own answers, byte for byte.
        added_types: product types that the champion does not know.
        lost_types: product types that only the champion knows.
        added_locales: locales that the champion does not serve.
        lost_locales: locales that only the champion serves.
        parity: None where fewer than two stores can be compared.
        milliseconds: that one query alone takes, as a median; None where it was not measured.
        judged: figures on human judgements; none where there are no judgements.
    """

    variant: str
    bytes: int
    expected_error: FiniteFloat | None
    identical: bool
    added_types: tuple[TypeSupport, ...]
    lost_types: tuple[TypeSupport, ...]
    added_locales: tuple[str, ...]
    lost_locales: tuple[str, ...]
    parity: Parity | None
    milliseconds: FiniteFloat | None = None
    judged: tuple[JudgedFigure, ...] = ()


@dataclass(frozen=True)
class Shipped:
    """What the champion reaches on test at the thresholds that it was shipped with."""

    micro_recall: FiniteFloat | None
    micro_precision: FiniteFloat | None


@dataclass(frozen=True)
class GoneTypes:
    """Product types that the champion learned from and that no training query of tonight means.

    Attributes:
        types: each with its labels in the champion's training queries.
        labels: all labels of the champion's training queries.
    """

    types: tuple[TypeSupport, ...]
    labels: int


@dataclass(frozen=True)
class ChampionFacts:
    """What is known of the champion.

    Attributes:
        last_day: the last day that it learned from; None where nobody wrote it down.
        incomparable: why its figures would not be fair; empty where they are.
        expected_error: as in `VariantFacts`.
        shipped: None where it was not scored.
        gone: None where nobody wrote down what it learned from.
    """

    last_day: date | None
    incomparable: tuple[str, ...]
    expected_error: FiniteFloat | None
    shipped: Shipped | None
    gone: GoneTypes | None = None


@dataclass(frozen=True)
class LocaleDrift:
    """How far a locale's training queries are from the champion's, 0 to 1 each: by product types and by words."""

    locale: str
    labels: FiniteFloat | None
    words: FiniteFloat | None


@dataclass(frozen=True)
class Evidence:
    """What evaluate found.

    Attributes:
        rows: the figures of every variant and, where there is a champion, of the champion on the same queries.
        models: the state of every model of the variants.
        champion: the model in production, None before the first one.
        last_day: the last day that the run learned from.
        differences: of every variant from the champion.
        variants: what else is known of the variants.
        facts: what else is known of the champion.
        drift: per locale, against the champion's data.
    """

    rows: tuple[Row, ...]
    models: tuple[ModelState, ...]
    champion: Champion | None
    last_day: date
    differences: tuple[Difference, ...] = ()
    variants: tuple[VariantFacts, ...] = ()
    facts: ChampionFacts | None = None
    drift: tuple[LocaleDrift, ...] = ()
