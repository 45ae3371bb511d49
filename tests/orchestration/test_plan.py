"""Plans and requests travel as JSON; what may be promoted follows from what the run leaves out."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from q2pt_tasks.orchestration.form import FormError, read_form
from q2pt_tasks.orchestration.plan import RunPlan, Scope, read_request, why_not_promote

WHOLE = Scope(("en-US", "en-GB", "fr-BE"), ("unified_agnostic", "unified_aware"), date(2026, 6, 30))
NARROWED = Scope(("en-US", "fr-BE"), WHOLE.variants, WHOLE.last_day)
ONE_VARIANT = Scope(WHOLE.locales, ("unified_aware",), WHOLE.last_day)
PAST = Scope(WHOLE.locales, WHOLE.variants, date(2026, 6, 1))


def test_a_plan_survives_its_way_through_json() -> None:
    entry = {"cmd": "x", "deps": [{"path": "a", "md5": "b", "size": 3}], "params": {"params.yaml": {"locales": ["a"]}}}
    plan = RunPlan(
        run_id="manual__2026-11-22T10:00:00+00:00",
        commit="1a2b",
        branch="run/manual",
        addresses=("ingest", "train_unified@unified_aware"),
        skipped=("train_non_unified@fr-BE",),
        unchanged={"ingest": entry},
        last={"ingest": entry},
        force=False,
        approval=True,
        may_promote=False,
        why_not_promote="it leaves out fr-BE",
        any_window=False,
        summary="A run.",
    )
    assert RunPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def _document(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {"run_id": "a", "logical_date": None, "form": {}, "rendered": {"ingest": []}, **changes}


def test_a_request_is_read_from_json() -> None:
    request = read_request(_document(logical_date="2026-11-22T02:00:00+00:00", form={"epochs": 2}))
    assert request.logical_date == datetime(2026, 11, 22, 2, tzinfo=UTC)
    assert (request.form.epochs, request.rendered) == (2, {"ingest": ()})
    assert read_request(_document()).logical_date is None


def test_a_request_with_a_wrong_form_is_refused() -> None:
    with pytest.raises(FormError, match="epochs"):
        read_request(_document(form={"epochs": "many"}))


@pytest.mark.parametrize(
    ("run", "promote", "champion", "reason"),
    [
        (WHOLE, None, (), ""),
        (WHOLE, None, WHOLE.locales, ""),
        (WHOLE, False, (), "the form says not to promote"),
        (NARROWED, None, (), "leaves out the locales en-GB"),
        (NARROWED, None, ("en-US",), "leaves out the locales en-GB"),
        (NARROWED, True, ("en-US",), ""),
        (NARROWED, True, ("en-GB", "en-US"), "the champion serves en-GB"),
        (WHOLE, True, ("de-DE",), "the champion serves de-DE"),
        (ONE_VARIANT, None, (), "leaves out the variants unified_agnostic"),
        (ONE_VARIANT, True, (), ""),
        (PAST, None, (), "its window ends on 2026-06-01, the newest complete day is 2026-06-30"),
        (PAST, True, WHOLE.locales, ""),
    ],
)
def test_what_keeps_a_run_from_promoting(
    run: Scope, promote: bool | None, champion: tuple[str, ...], reason: str
) -> None:
    found = why_not_promote(read_form({"promote": promote}), WHOLE, run, champion)
    assert reason in found
    assert bool(found) == bool(reason)
