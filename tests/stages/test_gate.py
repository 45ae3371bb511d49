"""The stage gate: a summary in, a decision out, whatever it says; a broken summary is an error."""

import json
from pathlib import Path
from typing import Any

import pytest

from q2pt_tasks.layout import Layout
from q2pt_tasks.params import ParamsError
from q2pt_tasks.registry.evidence import SummaryError
from q2pt_tasks.stages import gate

PARAMS = """
gate:
  metric: micro_recall
  floor: 0.3
  margin: 0.01
  training_noise: 0.005
  tolerance: 0.005
  max_age_days: 28
  min_days_between_promotions: 3
  alert_after_days: 56
  precision_tolerance: 0.05
  min_locale_support: 100
  locale_floor: 0.05
  locale_tolerance: 0.05
  per_locale_routing: off
  min_type_support: 20
  retired_types: []
  gone_tolerance: 0.05
  min_forward_support: 100
  forward_floor: 0.25
  forward_tolerance: 0.02
  calibration_tolerance: 0.03
  parity_tolerance: 0.05
  drift_tolerance: 0.1
  max_megabytes: null
  max_milliseconds: null
  judgements_floor: null
  replace_incomparable: null
  warn_only: [newer, parity, drift]
"""


def summary(recall: float = 0.6, **changes: object) -> dict[str, Any]:
    def row(locale: str, split: str, metric: str, value: float) -> dict[str, Any]:
        return {
            "variant": "unified_aware", "locale": locale, "split": split, "metric": metric, "value": value, "n": 500
        }  # fmt: skip

    return {
        "precision": 0.8,
        "headline": {"unified_aware": {"micro_recall": recall}},
        "rows": [
            row("all", "validation", "micro_recall", recall),
            row("all", "test", "micro_recall", recall),
            row("all", "test", "micro_precision", 0.8),
            row("sv-SE", "test", "micro_recall", recall),
            row("all", "forward", "micro_recall", recall),
        ],
        "models": [
            {
                "variant": "unified_aware", "locale": None, "status": "trained", "reason": "",
                "training_rows": 10, "epochs": 3, "seconds": 1.5,
            }
        ],
        "champion": None,
    } | changes  # fmt: skip


def comparison(**changes: object) -> dict[str, Any]:
    return {
        "last_day": "2026-11-28",
        "champion": None,
        "variants": [
            {
                "variant": "unified_aware", "bytes": 1000, "expected_error": 0.04, "parity": None, "identical": False,
                "added_types": [], "lost_types": [], "added_locales": [], "lost_locales": [],
            }
        ],
        "differences": [],
        "drift": [],
    } | changes  # fmt: skip


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path)
    layout.params.write_text(PARAMS)
    layout.metrics.mkdir()
    layout.summary.write_text(json.dumps(summary()))
    layout.comparison.write_text(json.dumps(comparison()))
    return layout


def test_a_good_candidate_is_promoted(layout: Layout) -> None:
    report = gate.main(layout)
    written = json.loads(layout.decision.read_text())
    assert sorted(written) == ["candidate", "champion", "kept_locales", "promote", "rules", "sentence"]
    assert (written["promote"], written["candidate"], written["champion"]) == (True, "unified_aware", None)
    assert [sorted(rule) for rule in written["rules"]] == [["figures", "name", "passed", "sentence", "severity"]] * 6
    assert written["sentence"] in str(report)
    assert "\n" not in str(report)


def test_a_refusal_is_a_result(layout: Layout) -> None:
    layout.summary.write_text(json.dumps(summary(recall=0.1)))
    assert gate.main(layout).decision.promote is False
    assert json.loads(layout.decision.read_text())["promote"] is False


def test_the_champion_is_written_down(layout: Layout) -> None:
    champion = {"version": "v7", "hash": "abc"}
    layout.summary.write_text(json.dumps(summary(champion=champion)))
    known = {"last_day": "2026-11-20", "incomparable": [], "expected_error": 0.03, "shipped": None}
    layout.comparison.write_text(json.dumps(comparison(champion=known)))
    gate.main(layout)
    written = json.loads(layout.decision.read_text())
    assert written["champion"] == champion
    # It has no figures: nothing is promoted over it.
    assert written["promote"] is False


def test_the_file_is_stable_and_ends_with_a_newline(layout: Layout) -> None:
    gate.main(layout)
    first = layout.decision.read_text()
    gate.main(layout)
    assert layout.decision.read_text() == first
    assert first == json.dumps(json.loads(first), sort_keys=True, indent=2) + "\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file"),
        ("[]", "the file"),
        (json.dumps({"precision": 0.8, "rows": [], "models": []}), "champion: Field required"),
        (json.dumps(summary(precision=80)), "precision"),
        (json.dumps(summary(rows=[{"variant": "unified_aware"}])), r"rows\.0\.locale"),
        (json.dumps(summary(recall=float("nan"))), r"rows\.0\.value.*finite"),
        (json.dumps(summary(rows=[*summary()["rows"]] * 2)), "twice"),
        (json.dumps(summary(models=[summary()["models"][0] | {"status": "fine"}])), r"models\.0\.status"),
        (json.dumps(summary(champion={"version": 7, "hash": "abc"})), r"champion\.version"),
    ],
)
def test_a_malformed_summary_is_an_error_and_leaves_no_old_decision(layout: Layout, text: str, message: str) -> None:
    gate.main(layout)
    layout.summary.write_text(text)
    with pytest.raises(SummaryError, match=message):
        gate.main(layout)
    assert not layout.decision.exists()


def test_a_comparison_of_another_evaluation_is_an_error(layout: Layout) -> None:
    layout.summary.write_text(json.dumps(summary(champion={"version": "v7", "hash": "abc"})))
    with pytest.raises(SummaryError, match="of two evaluations"):
        gate.main(layout)
    layout.comparison.write_text(json.dumps(comparison(last_day="yesterday")))
    with pytest.raises(SummaryError, match=r"comparison\.json is not what evaluate writes: last_day"):
        gate.main(layout)
    layout.comparison.unlink()
    with pytest.raises(SummaryError, match=r"comparison\.json not found: run the stage evaluate"):
        gate.main(layout)


def test_a_missing_summary_says_what_to_run(layout: Layout) -> None:
    layout.summary.unlink()
    with pytest.raises(SummaryError, match="run the stage evaluate"):
        gate.main(layout)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("floor: 0.3", "floor: 1.3", "gate.floor"),
        ("margin: 0.01\n", "margin: -0.1\n", "gate.margin"),
        ("training_noise: 0.005", "training_noise: 0.0051", "twice the training noise, which is 0.0051"),
        ("min_locale_support: 100", "min_locale_support: 0", "gate.min_locale_support"),
        ("max_age_days: 28", "max_age_days: 2", "max_age_days of at least min_days_between_promotions, found 2 and 3"),
        ("routing: off", "routing: maybe", "gate.per_locale_routing"),
        ("[newer, parity, drift]", "[precision]", "gate.warn_only"),
        ("metric: micro_recall", "metric: micro_recall_curve", "gate.metric"),
        ("floor: 0.3", "flor: 0.3", "gate.flor"),
    ],
)
def test_params_out_of_range_are_refused_by_name(layout: Layout, old: str, new: str, message: str) -> None:
    layout.params.write_text(PARAMS.replace(old, new, 1))
    with pytest.raises(ParamsError, match=message):
        gate.main(layout)
