"""What the form changes in `params.yaml`, and which day a run's window ends with."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from q2pt_tasks.orchestration.form import Form, FormError
from q2pt_tasks.params import read_section

_SCRATCH = "scratch"
_TRAININGS = ("train_unified", "train_non_unified")


@dataclass(frozen=True)
class Committed:
    """What the form's fields stand for where they are empty; `last_day` is None for the newest of the source."""

    locales: tuple[str, ...]
    variants: tuple[str, ...]
    encoder: str
    last_day: date | None


def read_committed(params: Path) -> Committed:
    """The values of a params file that the form is about.

    Raises:
        ParamsError: the file is missing or lacks one.
    """
    last_day = read_section(params, "ingest", dict[str, Any])["last_day"]
    return Committed(
        locales=read_section(params, "locales", tuple[str, ...]),
        variants=read_section(params, "variants", tuple[str, ...]),
        encoder=read_section(params, "encoder", dict[str, Any])["name"],
        last_day=None if last_day is None else date.fromisoformat(last_day),
    )


def changes_of(form: Form, committed: Committed) -> dict[str, Any]:
    """New values of the params that the form overrides, by key; all but the last day, which depends on the source.

    Raises:
        FormError: the form names a locale or a variant that is not there to be left.
    """
    changes: dict[str, Any] = {}
    if form.locales is not None:
        changes["locales"] = _narrowed("locales", form.locales, committed.locales)
    if form.variants is not None:
        changes["variants"] = _narrowed("variants", form.variants, committed.variants)
    if form.encoder is not None:
        changes["encoder.name"] = form.encoder
    if form.epochs is not None:
        # A training reads the recipe of its kind of encoder; the other one stays as it is.
        recipe = _SCRATCH if (form.encoder or committed.encoder) == _SCRATCH else "pretrained"
        changes |= {f"{training}.{recipe}.max_epochs": form.epochs for training in _TRAININGS}
    return changes


def _narrowed(field: str, wanted: Sequence[str], committed: Sequence[str]) -> list[str]:
    """Those of `committed` that are wanted, in the committed order: the order is part of what a model is."""
    if strangers := sorted(set(wanted) - set(committed)):
        raise FormError(
            f"the form's {field} are to have {', '.join(strangers)}; committed are {', '.join(committed)}: a run can "
            "leave some of them out, adding one needs a commit"
        )
    return [name for name in committed if name in wanted]


def window_end(form: Form, committed: date | None, logical_date: datetime | None, newest: date) -> date:
    """The last day of a run's window: the form's, else the committed, else the logical date's, else the newest.

    Args:
        form: what a person asked for.
        committed: `ingest.last_day` of the params file; a day there is meant for every run.
        logical_date: of a scheduled run or a backfill. A night run starts before its own day is complete, so that its
            window ends with the newest complete day.
        newest: the newest complete day of the source.

    Raises:
        FormError: the form's day is not in the source yet.
    """
    if form.last_day is not None and form.last_day > newest:
        raise FormError(f"the form's last_day is {form.last_day}; the newest complete day of the source is {newest}")
    wanted = form.last_day or committed or (logical_date.date() if logical_date else newest)
    return min(wanted, newest)
