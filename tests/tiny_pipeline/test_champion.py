"""A tiny pipeline beside a champion: whoever is compared, at which thresholds, and what is refused."""

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tiny import LOCALES, copy_folder, figure_rows, project_copy, value_of

from q2pt_tasks.layout import Layout
from q2pt_tasks.model.champion import ChampionError, hash_folder
from q2pt_tasks.model.prediction import Predictor
from q2pt_tasks.params import read_section
from q2pt_tasks.stages import gate
from q2pt_tasks.stages.evaluate import main as evaluate


def _champion(finished: Layout, folder: Path, model: Path) -> Layout:
    """The finished project with its models, judged against a champion that is a copy of `model`."""
    layout = project_copy(finished, folder)
    copy_folder(finished.models, layout.models)
    copy_folder(finished.reports, layout.reports)
    champion = copy_folder(model, folder / "champion")
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
    assert value_of(layout, "champion") == value_of(layout, "unified_aware")
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
    assert own / champion == pytest.approx(value_of(layout, "unified_agnostic") / value_of(layout, "champion"))
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
    assert value_of(layout, "champion", locale="fr-BE") == 0
    assert value_of(layout, "champion", "micro_average_precision", "en-US") == pytest.approx(
        value_of(layout, "non_unified", "micro_average_precision", "en-US")
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
    assert not figure_rows(layout, variant="champion")
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


def test_a_champion_of_per_locale_models_from_before_is_named_once(finished: Layout, tmp_path: Path) -> None:
    layout = _champion(finished, tmp_path, finished.models)
    for folder in ("unified_agnostic", "unified_aware"):
        shutil.rmtree(tmp_path / "champion" / folder)
    files = list((tmp_path / "champion").rglob("metadata.json"))
    assert len(files) > 1
    for file in files:
        file.write_text(json.dumps({**json.loads(file.read_text()), "schema_version": 4}))
    champion = {"version": "v1", "hash": hash_folder(tmp_path / "champion"), "path": "champion"}
    layout.champion.write_text(json.dumps(champion))
    evaluate(layout)
    (said,) = json.loads(layout.comparison.read_text())["champion"]["incomparable"]
    assert "schema version 4, this code reads 6" in said
