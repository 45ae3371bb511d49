"""A tiny pipeline's figures, decision and page."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tiny import LOCALES, copy_folder, figure_rows, project_copy, value_of

from q2pt_tasks.layout import SPLITS, Layout
from q2pt_tasks.model.lineup import StrayModelError
from q2pt_tasks.model.metadata import load_metadata
from q2pt_tasks.params_edit import edit_params
from q2pt_tasks.stages import gate, report
from q2pt_tasks.stages.evaluate import main as evaluate


def test_the_unified_models_learn(finished: Layout) -> None:
    for variant in ("unified_agnostic", "unified_aware"):
        precision, chance = (value_of(finished, name, "micro_average_precision") for name in (variant, "majority"))
        assert precision > 10 * chance
        assert load_metadata(finished.unified_model(variant)).status == "trained"


def test_the_linear_baseline_learns_and_the_majority_class_reaches_no_precision(finished: Layout) -> None:
    assert value_of(finished, "tfidf_unified") > 0.2
    assert value_of(finished, "tfidf_per_locale") > 0.1
    assert value_of(finished, "majority") == 0


def test_the_summary_has_every_variant_baseline_and_split(finished: Layout) -> None:
    rows = figure_rows(finished, metric="micro_recall", locale="all")
    assert {row["variant"] for row in rows} == {
        "non_unified",
        "unified_agnostic",
        "unified_aware",
        "majority",
        "tfidf_per_locale",
        "tfidf_unified",
    }
    marked = {f"{split}{part}" for split in ("forward", "judgements") for part in ("", "_seen", "_unseen")}
    assert {row["split"] for row in rows} == {"validation", "test", *marked}


def test_figures_and_differences_have_intervals_and_scores_a_reliability(finished: Layout) -> None:
    summary = json.loads(finished.summary.read_text())
    key = ("split", "locale", "metric")
    values = {(row["variant"], *(row[name] for name in key)): row["value"] for row in summary["rows"]}
    intervals = {
        (one["variant"], *(one[name] for name in key)): one for one in json.loads(finished.intervals.read_text())
    }
    for variant in ("non_unified", "unified_agnostic", "unified_aware", "tfidf_unified"):
        for locale in ("all", *LOCALES):
            figure = (variant, "test", locale, "micro_recall")
            assert intervals[figure]["low"] <= values[figure] <= intervals[figure]["high"]
            assert (variant, "test", locale, "micro_recall_curve") in intervals
        assert (variant, "forward", "all", "macro_average_precision") in intervals
    differences = json.loads(finished.differences.read_text())
    assert summary["differences"] == []
    pairs = [(one["variant"], one["against"]) for one in differences if one["locale"] == "all"]
    assert len(set(pairs)) == 6 * 5 / 2
    for one in differences:
        own, other = (values[who, *(one[name] for name in key)] for who in (one["variant"], one["against"]))
        assert one["value"] == pytest.approx(own - other)
    calibrated = {one["variant"]: one for one in json.loads(finished.calibration.read_text())}
    assert set(calibrated) == {"non_unified", "unified_agnostic", "unified_aware"}
    assert 0 < calibrated["unified_aware"]["best"]["expected_error"] < 1


def test_the_decision_and_the_page_are_written(finished: Layout) -> None:
    decision = json.loads(finished.decision.read_text())
    assert decision["candidate"] in ("non_unified", "unified_agnostic", "unified_aware")
    assert decision["sentence"] in finished.report_page.read_text()


def test_a_time_changes_what_the_gate_reads_alone(finished: Layout, tmp_path: Path) -> None:
    timed = project_copy(finished, tmp_path)
    copy_folder(finished.models, timed.models)
    edit_params(timed.params, {"evaluate.timed_queries": 6, "gate.max_milliseconds": 1e-6})
    evaluate(timed)
    before, after = (
        {file.name: file.read_bytes() for file in layout.metrics.iterdir()} for layout in (finished, timed)
    )
    assert {name for name in before | after if before.get(name) != after.get(name)} == {"comparison.json"}
    then, now = (json.loads(layout.comparison.read_text())["variants"] for layout in (finished, timed))
    assert all(one["milliseconds"] > 0 for one in now)
    assert [{**one, "milliseconds": None} for one in now] == then
    (rule,) = (rule for rule in gate.main(timed).decision.rules if rule.name == "latency")
    assert rule.warns


def test_a_model_of_a_removed_locale_stops_the_evaluation(finished: Layout, tmp_path: Path) -> None:
    layout = project_copy(finished, tmp_path)
    copy_folder(finished.models, layout.models)
    (layout.models / "non_unified/de-DE").mkdir()
    with pytest.raises(StrayModelError, match="de-DE"):
        evaluate(layout)


def test_a_night_without_an_eligible_model_is_refused_and_reported(finished: Layout, tmp_path: Path) -> None:
    layout = project_copy(finished, tmp_path)
    copy_folder(finished.metrics, layout.metrics)
    copy_folder(finished.reports, layout.reports)
    summary = json.loads(layout.summary.read_text())
    for model in summary["models"]:
        model.update(status="degenerate", reason="no better than the majority class")
    layout.summary.write_text(json.dumps(summary))
    gate.main(layout)
    report.main(layout)
    decision = json.loads(layout.decision.read_text())
    assert (decision["promote"], decision["candidate"]) == (False, None)
    assert "degenerate" in layout.report_page.read_text()


def test_the_report_shows_where_the_rows_went(finished: Layout) -> None:
    result = json.loads((finished.validation_report / "result.json").read_text())
    assert f"valid: {result['tables']['events']['valid']:,}" in finished.report_page.read_text()


def test_human_judgements_are_scored_apart_and_counted(finished: Layout) -> None:
    judged = json.loads(finished.summary.read_text())["judgements"]
    assert (judged["queries"], judged["left_out"], judged["unknown_types"]) == (3, 1, ["HACKSAW_OF_NOBODY"])
    assert judged["seen"] == 1
    counts = {
        split: figure_rows(finished, variant="unified_aware", metric="micro_recall", locale="all", split=split)[0]["n"]
        for split in ("judgements", "judgements_seen", "judgements_unseen")
    }
    assert counts == {"judgements": 4, "judgements_seen": 1, "judgements_unseen": 3}
    trained = {
        query
        for locale in LOCALES
        for split in SPLITS
        for query in pq.ParquetFile(finished.split(locale, split)).read()["query"].to_pylist()
    }
    assert "<img src=x onerror=alert(1)>" not in trained


def test_three_judged_queries_have_a_wide_interval_and_it_decides(finished: Layout, tmp_path: Path) -> None:
    on_judgements = [one for one in json.loads(finished.intervals.read_text()) if one["split"] == "judgements"]
    kept = {(one["variant"], one["locale"], one["metric"]): one for one in on_judgements}
    for variant in json.loads(finished.comparison.read_text())["variants"]:
        (judged,) = (one for one in variant["judged"] if one["metric"] == "micro_recall")
        own = kept[variant["variant"], "all", "micro_recall"]
        names = {"variant": variant["variant"], "metric": "micro_recall", "locale": "all", "split": "judgements"}
        assert judged["value"] == figure_rows(finished, **names)[0]["value"]
        assert (judged["low"], judged["high"], judged["queries"]) == (own["low"], own["high"], 3)
        assert judged["high"] - judged["low"] > 0.5
    layout = project_copy(finished, tmp_path)
    copy_folder(finished.metrics, layout.metrics)
    edit_params(layout.params, {"gate.judgements_floor": 0.5})
    (rule,) = (rule for rule in gate.main(layout).decision.rules if rule.name == "judgements")
    assert rule.refuses
    assert "in 3 queries, needed 0.500 or more at its lower end." in rule.sentence


def test_slices_add_up_to_the_whole_and_the_gap_is_that_of_two_stores(finished: Layout) -> None:
    found = json.loads(finished.slices.read_text())
    rows = [row for row in found["rows"] if row["variant"] == "unified_aware" and row["split"] == "test"]
    whole = next(row for row in rows if row["dimension"] == "all")
    for dimension in ("locale", "support", "store", "length", "script", "meaning", "brand"):
        parts = [row for row in rows if row["dimension"] == dimension]
        assert sum(row["positives"] for row in parts) == whole["positives"]
        assert all(row["low"] <= row["recall"] <= row["high"] for row in parts if row["positives"] > 30)
    assert whole["recall"] == pytest.approx(value_of(finished, "unified_aware"))
    recalls = {row["slice"]: row["recall"] for row in rows if row["dimension"] == "locale"}
    gap = found["parity"]["unified_aware"]
    assert gap["gap"] == pytest.approx(recalls[gap["best"]] - recalls[gap["worst"]])


def test_the_report_shows_the_worst_types_and_the_surest_mistakes_of_the_candidate(finished: Layout) -> None:
    candidate = json.loads(finished.decision.read_text())["candidate"]
    mistakes = json.loads(finished.mistakes.read_text())[candidate]
    page = finished.report_page.read_text()
    assert mistakes["mistakes"]
    assert mistakes["mistakes"][0]["predicted"] in page
    assert mistakes["types"][0]["product_type"] in page
