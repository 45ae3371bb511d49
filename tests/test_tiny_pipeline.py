"""One tiny pipeline from the log to the report: what every stage leaves."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from checkpoints import exact_predictor
from tiny import LOCALES
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from q2pt_tasks.data.queries import normalise_query
from q2pt_tasks.data.splits import HISTORY_SPLITS
from q2pt_tasks.layout import SPLITS, Layout
from q2pt_tasks.metrics.thresholds import Thresholds
from q2pt_tasks.model.champion import ChampionError, hash_folder
from q2pt_tasks.model.checkpoint import load_checkpoint
from q2pt_tasks.model.lineup import StrayModelError
from q2pt_tasks.model.metadata import CheckpointError, load_metadata
from q2pt_tasks.model.prediction import Predictor
from q2pt_tasks.params import read_section
from q2pt_tasks.params_edit import edit_params
from q2pt_tasks.serving import ask
from q2pt_tasks.serving.export import export
from q2pt_tasks.stages import gate, report, tokenize, train_unified
from q2pt_tasks.stages.evaluate import main as evaluate


def _rows(layout: Layout, **where: str) -> list[dict[str, object]]:
    rows = json.loads(layout.summary.read_text())["rows"]
    return [row for row in rows if all(row[key] == value for key, value in where.items())]


def _value(layout: Layout, variant: str, metric: str = "micro_recall", locale: str = "all") -> float:
    (row,) = _rows(layout, variant=variant, metric=metric, locale=locale, split="test")
    return float(str(row["value"]))


def test_no_query_is_in_two_of_the_history_splits_of_any_locale(finished: Layout) -> None:
    sides: dict[str, str] = {}
    for locale in LOCALES:
        for split in HISTORY_SPLITS:
            for query in pq.ParquetFile(finished.split(locale, split)).read()["query"].to_pylist():
                assert sides.setdefault(query, split) == split
    assert set(sides.values()) == set(HISTORY_SPLITS)


def test_all_queries_are_in_their_normal_form(finished: Layout) -> None:
    for locale in LOCALES:
        for split in SPLITS:
            for query in pq.ParquetFile(finished.split(locale, split)).read()["query"].to_pylist():
                assert normalise_query(query) == query


def test_the_shares_of_clicks_reach_the_training(finished: Layout) -> None:
    labelled = {
        (locale, row["query"]): (row["product_types"], row["shares"])
        for locale in LOCALES
        for row in pq.ParquetFile(finished.split(locale, "train")).read().to_pylist()
    }
    rows = pq.ParquetFile(finished.unified_tokens() / "train.parquet").read().to_pylist()
    assert {(row["locale"], row["query"]): (row["product_types"], row["shares"]) for row in rows} == labelled
    assert any(share < 1 for _, shares in labelled.values() for share in shares)


def test_the_forward_days_are_kept_out_of_the_history(finished: Layout) -> None:
    forward = pq.ParquetFile(finished.split("en-US", "forward")).read()
    assert {True, False} == set(forward["seen"].to_pylist())
    train = set(pq.ParquetFile(finished.split("en-US", "train")).read()["query"].to_pylist())
    assert all((row["query"] in train) == row["seen"] for row in forward.to_pylist())


def test_the_unified_models_learn(finished: Layout) -> None:
    for variant in ("unified_agnostic", "unified_aware"):
        precision, chance = (_value(finished, name, "micro_average_precision") for name in (variant, "majority"))
        assert precision > 10 * chance
        assert load_metadata(finished.unified_model(variant)).status == "trained"


def test_the_linear_baseline_learns_and_the_majority_class_reaches_no_precision(finished: Layout) -> None:
    assert _value(finished, "tfidf_unified") > 0.2
    assert _value(finished, "tfidf_per_locale") > 0.1
    assert _value(finished, "majority") == 0


def test_a_checkpoint_opens_as_a_plain_hugging_face_model(finished: Layout) -> None:
    folder = finished.unified_model("unified_aware")
    network = AutoModelForSequenceClassification.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    types = json.loads(finished.label_space(None).read_text())["product_types"]
    assert [network.config.id2label[index] for index in range(len(types))] == types
    assert {"[en-US]", "[unknown-locale]"} <= set(tokenizer.get_vocab())


def test_the_predictor_and_plain_hugging_face_agree(finished: Layout) -> None:
    folder = finished.unified_model("unified_aware")
    network = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    encoded = AutoTokenizer.from_pretrained(folder)("[en-GB] pants", return_tensors="pt")
    plain = network(input_ids=encoded["input_ids"], attention_mask=encoded["attention_mask"]).logits.sigmoid()
    ours = Predictor.load_encoder_alone(folder).scores(["  Pants "], "en-GB")
    np.testing.assert_allclose(ours[0], plain[0].detach().numpy(), atol=0.02)


def test_a_query_has_the_same_scores_alone_and_among_others(finished: Layout) -> None:
    predictor = Predictor.load(finished.unified_model("unified_agnostic"))
    queries = ["shoes", "red shoes for women", "x", "a much longer query about a coffee machine"]
    together = predictor.scores(queries, "en-US")
    alone = np.concatenate([predictor.scores([query], "en-US") for query in queries])
    np.testing.assert_allclose(together, alone, atol=0.02)


def test_the_predictor_says_when_it_does_not_know_the_store(finished: Layout) -> None:
    aware = Predictor.load(finished.unified_model("unified_aware"))
    assert aware.predict(["pants"], "en-IE")[0].used_unknown_locale
    assert not aware.predict(["pants"], "en-GB")[0].used_unknown_locale
    with pytest.raises(TypeError, match="give a list"):
        aware.predict("pants", "en-GB")
    queries = pq.ParquetFile(finished.split("en-GB", "test")).read()["query"].to_pylist()
    assert not np.array_equal(aware.scores(queries, "en-IE"), aware.scores(queries, "en-GB"))
    assert not Predictor.load(finished.unified_model("unified_agnostic")).uses_unknown_locale("en-IE")


def test_predictions_are_above_the_stored_thresholds_and_best_first(finished: Layout) -> None:
    predictor = Predictor.load(finished.unified_model("unified_aware"))
    queries = pq.ParquetFile(finished.split("en-US", "test")).read()["query"].to_pylist()
    predictions = predictor.predict(queries, "en-US")
    assert any(prediction.product_types for prediction in predictions)
    for prediction in predictions:
        scores = [score for _, score in prediction.product_types]
        assert scores == sorted(scores, reverse=True)


def test_a_prediction_is_every_type_whose_score_reaches_the_checkpoints_threshold(finished: Layout) -> None:
    folder = finished.unified_model("unified_aware")
    predictor, metadata = Predictor.load(folder), load_metadata(folder)
    queries = pq.ParquetFile(finished.split("en-US", "test")).read()["query"].to_pylist()
    limits = Thresholds.from_dict(dict(metadata.thresholds)).for_locale("en-US", metadata.product_types)
    scores = predictor.scores(queries, "en-US")
    for prediction, own in zip(predictor.predict(queries, "en-US"), scores, strict=True):
        expected = {metadata.product_types[index] for index in np.flatnonzero(own >= limits)}
        assert {name for name, _ in prediction.product_types} == expected


@pytest.mark.parametrize("query", ["", " ", "\u200f", "👟👟", "a" * 100_000, "\x00", "日本語の検索", "<script>"])
def test_any_text_gets_scores_that_are_probabilities(finished: Layout, query: str) -> None:
    scores = Predictor.load(finished.unified_model("unified_aware")).scores([query], "en-US")
    assert ((scores >= 0) & (scores <= 1)).all()


def test_no_queries_get_no_scores(finished: Layout) -> None:
    predictor = Predictor.load(finished.unified_model("unified_aware"))
    assert predictor.scores([], "en-US").shape == (0, len(predictor.metadata.product_types))


def test_the_summary_has_every_variant_baseline_and_split(finished: Layout) -> None:
    rows = _rows(finished, metric="micro_recall", locale="all")
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


def test_metadata_names_what_the_model_was_made_from(finished: Layout) -> None:
    metadata = load_metadata(finished.unified_model("unified_aware"))
    assert metadata.locales == LOCALES
    assert metadata.split == {"salt": "q2pt-1", "validation": 0.1, "test": 0.2}
    assert metadata.objective == "binary_cross_entropy"
    assert set(metadata.data_hashes) == {"train.parquet", "validation.parquet", "label_space.json"}
    assert metadata.ngrams is not None
    reached = metadata.metrics["average_precision"]
    assert reached is not None
    assert reached > max(epoch["average_precision"] for epoch in metadata.history)


def test_the_n_grams_beside_the_encoder_change_the_scores(finished: Layout) -> None:
    folder = finished.unified_model("unified_aware")
    both, alone = (
        predictor.scores(["pants", "red hat"], "en-GB")
        for predictor in (Predictor.load(folder), Predictor.load_encoder_alone(folder))
    )
    assert not np.allclose(both, alone, atol=0.001)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("schema_version", 99, "the checkpoint has schema version 99, this code reads 5: train the model again"),
        ("normalisation", "lower", "query normalisation do not fit"),
        ("product_types", ["A"], "product types do not fit"),
        ("ngrams", {"weight": 0.5, "form": "letters", "longest": 5}, "parts of queries do not fit"),
        ("locales", ["en-US", "xx-XX"], r"missing locale tokens do not fit: the checkpoint has \['\[xx-XX\]'\]"),
        ("surprise", 1, "metadata keys do not fit"),
    ],
)
def test_a_checkpoint_that_breaks_its_contract_is_refused(
    finished: Layout, tmp_path: Path, key: str, value: object, words: str
) -> None:
    folder = _copy(finished.unified_model("unified_aware"), tmp_path / "model")
    metadata = json.loads((folder / "metadata.json").read_text())
    (folder / "metadata.json").write_text(json.dumps({**metadata, key: value}))
    with pytest.raises(CheckpointError, match=words):
        load_checkpoint(folder)


def test_a_model_with_n_grams_is_exported_with_them(finished: Layout, tmp_path: Path) -> None:
    model = finished.unified_model("unified_aware")
    assert load_metadata(model).ngrams is not None
    export(model, tmp_path / "onnx")
    exported, exact = ask.Model(tmp_path / "onnx"), exact_predictor(model)
    queries = ["Crimson  Boots", "pants", "日本語", "a word that nobody typed"]
    for locale in (*LOCALES, "de-DE"):
        for query, scores in zip(queries, exact.scores(queries, locale), strict=True):
            assert list(exported.scores(query, locale).values()) == pytest.approx(scores.tolist(), abs=1e-4)


def test_a_missing_n_gram_model_is_refused(finished: Layout, tmp_path: Path) -> None:
    folder = _copy(finished.unified_model("unified_aware"), tmp_path / "model")
    (folder / "ngrams.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"model cannot be loaded: .*ngrams"):
        load_checkpoint(folder)


def test_a_directory_without_metadata_is_not_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="not a finished checkpoint"):
        load_checkpoint(tmp_path)


def test_a_time_changes_what_the_gate_reads_alone(finished: Layout, tmp_path: Path) -> None:
    timed = _project_copy(finished, tmp_path)
    _copy(finished.models, timed.models)
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


def test_same_seed_same_weights(finished: Layout, tmp_path: Path) -> None:
    first = _project_copy(finished, tmp_path)
    tokenize.main(first)
    train_unified.main(first, "unified_aware")
    weights = [layout.unified_model("unified_aware") / "model.safetensors" for layout in (finished, first)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    beside = [weight.with_name("ngrams.safetensors") for weight in weights]
    assert beside[0].read_bytes() == beside[1].read_bytes()


def test_a_model_of_a_removed_locale_stops_the_evaluation(finished: Layout, tmp_path: Path) -> None:
    layout = _project_copy(finished, tmp_path)
    _copy(finished.models, layout.models)
    (layout.models / "non_unified/de-DE").mkdir()
    with pytest.raises(StrayModelError, match="de-DE"):
        evaluate(layout)


def _champion(finished: Layout, folder: Path, model: Path) -> Layout:
    """The finished project with its models, judged against a champion that is a copy of `model`."""
    layout = _project_copy(finished, folder)
    _copy(finished.models, layout.models)
    _copy(finished.reports, layout.reports)
    champion = _copy(model, folder / "champion")
    last_day = json.loads(finished.window.read_text())["last_day"]
    named = {"version": "v1", "hash": hash_folder(champion), "path": "champion", "last_day": last_day}
    layout.champion.write_text(json.dumps(named))
    return layout


def test_a_champion_is_scored_beside_the_candidates_and_an_equal_one_is_not_replaced(
    finished: Layout, tmp_path: Path
) -> None:
    layout = _champion(finished, tmp_path, finished.unified_model("unified_aware"))
    evaluate(layout)
    gate.main(layout)
    assert _value(layout, "champion") == _value(layout, "unified_aware")
    decision = json.loads(layout.decision.read_text())
    assert decision["champion"]["version"] == "v1"
    rules = {rule["name"]: rule["passed"] for rule in decision["rules"]}
    comparison = json.loads(layout.comparison.read_text())
    place = ("test", "all", "micro_recall")
    found = {
        one["variant"]: one
        for one in comparison["differences"]
        if (one["split"], one["locale"], one["metric"]) == place
    }
    assert set(found) == {"non_unified", "unified_agnostic", "unified_aware"}
    assert found["unified_aware"]["value"] == found["unified_aware"]["low"] == found["unified_aware"]["high"] == 0
    margin = read_section(layout.params, "gate", gate.GateParams).margin
    assert rules["better"] is (found[decision["candidate"]]["low"] >= margin)
    identical = {one["variant"]: one["identical"] for one in comparison["variants"]}
    assert identical == {"non_unified": False, "unified_agnostic": False, "unified_aware": True}
    # Of one label space: what both know is all that either finds.
    own, champion = (found["unified_agnostic"][who] for who in ("own", "champion"))
    assert own / champion == pytest.approx(_value(layout, "unified_agnostic") / _value(layout, "champion"))
    drift = {one["locale"]: (one["labels"], one["words"]) for one in comparison["drift"]}
    assert drift == dict.fromkeys(LOCALES, (0, 0))


def test_the_champion_is_told_at_the_thresholds_that_it_was_shipped_with(finished: Layout, tmp_path: Path) -> None:
    layout = _champion(finished, tmp_path, finished.unified_model("unified_aware"))
    evaluate(layout)
    shipped = json.loads(layout.comparison.read_text())["champion"]["shipped"]
    predictor = Predictor.load(tmp_path / "champion")
    named = right = meant = 0
    for locale in LOCALES:
        rows = pq.ParquetFile(finished.split(locale, "test")).read().to_pylist()
        predictions = predictor.predict([row["query"] for row in rows], locale)
        for row, prediction in zip(rows, predictions, strict=True):
            answers = {name for name, _ in prediction.product_types}
            named, right, meant = (
                total + more
                for total, more in zip(
                    (named, right, meant),
                    (len(answers), len(answers & set(row["product_types"])), len(row["product_types"])),
                    strict=True,
                )
            )
    assert shipped["micro_recall"] == pytest.approx(right / meant)
    assert shipped["micro_precision"] == pytest.approx(right / named)


def test_a_champion_without_a_model_for_a_new_store_finds_nothing_there(finished: Layout, tmp_path: Path) -> None:
    layout = _champion(finished, tmp_path, finished.models)
    for folder in ("unified_agnostic", "unified_aware", "non_unified/fr-BE"):
        shutil.rmtree(tmp_path / "champion" / folder)
    named = json.loads(layout.champion.read_text())
    layout.champion.write_text(json.dumps({**named, "hash": hash_folder(tmp_path / "champion")}))
    evaluate(layout)
    comparison = json.loads(layout.comparison.read_text())
    facts = {one["variant"]: one for one in comparison["variants"]}["unified_aware"]
    assert facts["added_locales"] == ["fr-BE"]
    # Stores of which the champion knows nothing do not decide between both.
    assert "fr-BE" not in {one["locale"] for one in comparison["differences"]}
    assert _value(layout, "champion", locale="fr-BE") == 0
    assert _value(layout, "champion", "micro_average_precision", "en-US") == pytest.approx(
        _value(layout, "non_unified", "micro_average_precision", "en-US")
    )


def test_a_champion_with_other_bytes_than_resolved_is_refused(finished: Layout, tmp_path: Path) -> None:
    layout = _champion(finished, tmp_path, finished.unified_model("unified_aware"))
    (tmp_path / "champion/config.json").write_text("{}")
    with pytest.raises(ChampionError, match="version v1 has"):
        evaluate(layout)


def test_a_champion_of_another_split_is_not_compared_and_a_person_is_told(finished: Layout, tmp_path: Path) -> None:
    layout = _champion(finished, tmp_path, finished.unified_model("unified_aware"))
    label_space = json.loads(layout.label_space(None).read_text())
    label_space["split"]["salt"] = "another"
    layout.label_space(None).write_text(json.dumps(label_space))
    evaluate(layout)
    gate.main(layout)
    assert not _rows(layout, variant="champion")
    decision = json.loads(layout.decision.read_text())
    assert not decision["promote"]
    assert "it may have seen the test queries" in decision["sentence"]
    assert "set gate.replace_incomparable to v1" in decision["sentence"]


def test_a_champion_that_this_code_cannot_read_is_not_compared(finished: Layout, tmp_path: Path) -> None:
    layout = _champion(finished, tmp_path, finished.unified_model("unified_aware"))
    file = tmp_path / "champion/metadata.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "normalisation": "lower"}))
    layout.champion.write_text(
        json.dumps({"version": "v1", "hash": hash_folder(tmp_path / "champion"), "path": "champion"})
    )
    evaluate(layout)
    (said,) = json.loads(layout.comparison.read_text())["champion"]["incomparable"]
    assert "normalised as lower" in said


def test_a_night_without_an_eligible_model_is_refused_and_reported(finished: Layout, tmp_path: Path) -> None:
    layout = _project_copy(finished, tmp_path)
    _copy(finished.metrics, layout.metrics)
    _copy(finished.reports, layout.reports)
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


def _copy(source: Path, target: Path) -> Path:
    for file in source.rglob("*"):
        if file.is_file():
            copy = target / file.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
    return target


def _project_copy(finished: Layout, folder: Path) -> Layout:
    """The finished project's params and data, without its models."""
    for name in ("params.yaml", "champion.json"):
        (folder / name).write_bytes((finished.root / name).read_bytes())
    _copy(finished.root / "data", folder / "data")
    shutil.copyfile(finished.root / "human.csv", folder / "human.csv")
    return Layout(folder)


def test_human_judgements_are_scored_apart_and_counted(finished: Layout) -> None:
    judged = json.loads(finished.summary.read_text())["judgements"]
    assert (judged["queries"], judged["left_out"], judged["unknown_types"]) == (3, 1, ["HACKSAW_OF_NOBODY"])
    assert judged["seen"] == 1
    counts = {
        split: _rows(finished, variant="unified_aware", metric="micro_recall", locale="all", split=split)[0]["n"]
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


def test_slices_add_up_to_the_whole_and_the_gap_is_that_of_two_stores(finished: Layout) -> None:
    found = json.loads(finished.slices.read_text())
    rows = [row for row in found["rows"] if row["variant"] == "unified_aware" and row["split"] == "test"]
    whole = next(row for row in rows if row["dimension"] == "all")
    for dimension in ("locale", "support", "store", "length", "script", "meaning", "brand"):
        parts = [row for row in rows if row["dimension"] == dimension]
        assert sum(row["positives"] for row in parts) == whole["positives"]
        assert all(row["low"] <= row["recall"] <= row["high"] for row in parts if row["positives"] > 30)
    assert whole["recall"] == pytest.approx(_value(finished, "unified_aware"))
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
