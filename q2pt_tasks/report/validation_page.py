"""The page on which a person reads why a night's log was accepted or refused: one file, offline, without scripts."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from q2pt_tasks.data.expectations import Outcome, say
from q2pt_tasks.data.tallies import TableRows, Tally
from q2pt_tasks.data.volume import Volume
from q2pt_tasks.plain_text import show_text

MAX_TEXT_CHARS = 80
_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class RuleRows:
    """The rows that a rule quarantined, with a few examples of them as shown: column to text."""

    table: str
    name: str
    reason: str
    rows: int
    examples: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True)
class GroupRows:
    """The rows of one locale or day."""

    name: str
    arrived: int
    valid: int
    clicks: float
    remark: str = ""


@dataclass(frozen=True)
class ValidationResult:
    """All that is to be said of one run. Without tables where the columns were wrong and no row could be judged."""

    window: str
    outcomes: tuple[Outcome, ...]
    tables: Mapping[str, TableRows]
    rules: tuple[RuleRows, ...] = ()
    locales: tuple[GroupRows, ...] = ()
    days: tuple[GroupRows, ...] = ()

    @property
    def failures(self) -> tuple[Outcome, ...]:
        return tuple(outcome for outcome in self.outcomes if outcome.fails)

    @property
    def warnings(self) -> tuple[Outcome, ...]:
        return tuple(outcome for outcome in self.outcomes if outcome.warns)

    @property
    def verdict(self) -> str:
        asked = f"{len(self.outcomes)} expectations"
        if self.failures:
            return f"The log of {self.window} is refused: {len(self.failures)} of {asked} do not hold."
        held = f"The log of {self.window} is accepted: all {asked} hold"
        if not self.warnings:
            return f"{held}."
        return f"{held.replace('hold', 'that must hold do')}, with {len(self.warnings)} warnings."


def write_result(result: ValidationResult, folder: Path) -> Path:
    """Writes the page and `result.json`; returns the page's place."""
    folder.mkdir(parents=True, exist_ok=True)
    summary = json.dumps(summarise(result), indent=2, sort_keys=True, ensure_ascii=False)
    (folder / "result.json").write_text(summary + "\n", encoding="utf-8")
    page = folder / "index.html"
    page.write_text(render_page(result), encoding="utf-8")
    return page


def render_page(result: ValidationResult) -> str:
    """The page as HTML. Everything that comes from the log is escaped."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["say"] = say
    return environment.get_template("validation.html").render(result=result)


def summarise(result: ValidationResult) -> dict[str, object]:
    """The same for programs, without example rows."""
    return {
        "accepted": not result.failures,
        "verdict": result.verdict,
        "window": result.window,
        "expectations": [_summarise_outcome(outcome) for outcome in result.outcomes],
        "tables": {name: asdict(rows) for name, rows in result.tables.items()},
        "rules": [{key: value for key, value in asdict(rule).items() if key != "examples"} for rule in result.rules],
        "locales": [asdict(group) for group in result.locales],
        "days": [asdict(group) for group in result.days],
    }


def _summarise_outcome(outcome: Outcome) -> dict[str, object]:
    return {
        "figure": outcome.expectation.figure,
        "found": outcome.found,
        "needed": outcome.expectation.needed,
        "severity": outcome.expectation.severity,
        "holds": outcome.holds,
    }


def locale_rows(tallies: Sequence[Tally], volume: Volume) -> tuple[GroupRows, ...]:
    """Every locale of the shop, then the rows of all others together."""
    groups = [
        _group(locale, [tally for tally in tallies if tally.locale == locale], _remark(locale, volume))
        for locale in volume.locales
    ]
    return (*groups, _group("other or missing", [tally for tally in tallies if tally.locale is None]))


def day_rows(tallies: Sequence[Tally], volume: Volume) -> tuple[GroupRows, ...]:
    """Every day of the window, then the rows without such a day together."""
    groups = [
        _group(str(day), [tally for tally in tallies if tally.day == day], "" if rows else "no valid rows")
        for day, rows in volume.days.items()
    ]
    return (*groups, _group("outside or missing", [tally for tally in tallies if tally.day is None]))


def _remark(locale: str, volume: Volume) -> str:
    if locale in volume.low:
        return f"too few: {volume.locales[locale]:,} valid rows"
    return f"fallen: {say(volume.newest[locale])} of a usual day" if locale in volume.fallen else ""


def _group(name: str, tallies: Sequence[Tally], remark: str = "") -> GroupRows:
    valid = sum(tally.rows for tally in tallies if tally.reason is None)
    clicks = sum(tally.clicks for tally in tallies)
    return GroupRows(name, sum(tally.rows for tally in tallies), valid, clicks, remark)


def show_value(value: object) -> str:
    """A cell of the log as it stands on the page."""
    return "(missing)" if value is None else show_text(str(value), MAX_TEXT_CHARS)
