"""What follows the gate's decision, and what a person is shown of it."""

import json
from dataclasses import asdict, replace
from typing import Any

import pytest
from markdown_it import MarkdownIt
from night_repository import Shop

from q2pt_tasks.orchestration.decide import RunIncompleteError, decide, run
from q2pt_tasks.orchestration.decision_file import Decision, Rule
from q2pt_tasks.orchestration.plan import RunPlan
from q2pt_tasks.orchestration.store import DamagedCacheError, SharedCache

PLAN = RunPlan(
    run_id="manual__2026-06-30T02:00:00+00:00",
    commit="0123456789abcdef",
    branch="run/manual",
    addresses=("gate",),
    skipped=(),
    unchanged={},
    last={},
    force=False,
    approval=False,
    may_promote=True,
    why_not_promote="",
    any_window=False,
    summary="A run.",
)
YES = Decision(
    promote=True,
    candidate="unified_aware",
    sentence="Promote unified_aware.",
    rules=(Rule("better", True, "Recall is 0.700."),),
    champion=None,
)
NO = replace(YES, promote=False, sentence="Do not promote.", rules=(Rule("better", False, "Recall is 0.100."),))


@pytest.mark.parametrize("approval", [True, False])
@pytest.mark.parametrize("may_promote", [True, False])
@pytest.mark.parametrize("gate", [True, False])
def test_what_follows(gate: bool, may_promote: bool, approval: bool) -> None:
    plan = replace(
        PLAN, approval=approval, may_promote=may_promote, why_not_promote="" if may_promote else "it is small"
    )
    wanted = "approval" if approval else "promote"
    assert decide(plan, YES if gate else NO).step == (wanted if gate and may_promote else None)


def test_the_reason_is_said() -> None:
    assert decide(PLAN, NO).sentence == "The gate says no. Do not promote."
    withheld = decide(replace(PLAN, may_promote=False, why_not_promote="it leaves out the locales fr-BE"), YES)
    assert withheld.sentence == "The gate says yes; not promoted: it leaves out the locales fr-BE."


def test_a_person_is_shown_every_rule_and_nothing_breaks_the_table() -> None:
    worse = Rule("locales", False, "fr-BE | de-AT\nare worse.")
    rules = (*YES.rules, worse, Rule("drift", False, "fr-BE moved.", "warning"))
    page = decide(PLAN, replace(YES, rules=rules)).page.splitlines()
    assert page[0] == "Promote unified_aware."
    assert page[2:7] == [
        "| rule | passed | what it saw |",
        "|---|---|---|",
        "| better | yes | Recall is 0.700. |",
        r"| locales | no | fr-BE \| de-AT are worse. |",
        "| drift | warning | fr-BE moved. |",
    ]
    assert page[-1] == "Run manual__2026-06-30T02:00:00+00:00, commit `0123456789ab`."


def test_what_a_catalog_calls_its_types_is_no_markup_where_a_person_approves() -> None:
    hostile = "Gone: ![](https://evil.example/seen), [approve here](https://evil.example), <b>LAMP</b>."
    page = decide(PLAN, replace(YES, sentence=hostile, rules=(Rule("types", False, hostile),))).page
    found = {
        token.type for block in MarkdownIt("gfm-like", {"linkify": False}).parse(page) for token in block.children or ()
    }
    assert found == {"text", "code_inline"}, "the commit is code"


def test_an_overdue_champion_is_told_to_the_owner_where_nothing_is_promoted() -> None:
    overdue = Rule("stale", False, "No night of 60 days was promoted.", "warning")
    assert decide(PLAN, replace(NO, rules=(*NO.rules, overdue))).alert == "No night of 60 days was promoted."
    assert decide(PLAN, replace(YES, rules=(*YES.rules, overdue))).alert == ""
    assert decide(PLAN, NO).alert == ""


def _request(shop: Shop) -> dict[str, Any]:
    return {"plan": shop.plan.to_json(), "joined": asdict(shop.joined)}


def test_the_decision_comes_from_the_joined_commit_and_the_cache(judged_shop: Shop) -> None:
    verdict = json.loads(json.dumps(run(judged_shop.settings, _request(judged_shop))))
    assert verdict["step"] == "promote"
    assert verdict["sentence"] == "The gate says yes. Promote: True, unified_aware."


@pytest.mark.chaos("cache-damaged")
def test_a_damaged_decision_is_not_followed(judged_shop: Shop) -> None:
    md5 = judged_shop.entries["gate"]["outs"][0]["md5"]
    path = SharedCache(judged_shop.settings.dvc_cache).path(md5)
    path.chmod(0o644)
    path.write_text(path.read_text().replace("true", "false"))
    with pytest.raises(DamagedCacheError, match=md5):
        run(judged_shop.settings, _request(judged_shop))


def test_a_decision_is_not_looked_for_in_half_a_run(judged_shop: Shop) -> None:
    request = _request(judged_shop) | {"joined": {"commit": "0" * 40, "complete": False, "missing": ["gate"]}}
    with pytest.raises(RunIncompleteError, match="when join ran, gate had not ended: clear join"):
        run(judged_shop.settings, request)
