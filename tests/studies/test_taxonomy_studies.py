"""The studies on Google's taxonomy: their runs and what their pages conclude."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from ruamel.yaml import YAML
from study_results import RESULTS, stores_at

from q2pt_tasks.params_edit import edit_params
from q2pt_tasks.studies import cold_start, encoders
from q2pt_tasks.studies.measuring import AVERAGE_PRECISION, METRICS, RECALL
from q2pt_tasks.studies.study import Figures, Options
from q2pt_tasks.studies.taxonomy import own_files


@pytest.mark.parametrize("study", [cold_start, encoders])
def test_every_run_changes_params_that_exist(study: object, tmp_path: Path) -> None:
    options = Options(taxonomy=tmp_path / "taxonomy", encoder="owner/encoder")
    for run in study.runs(options):  # type: ignore[attr-defined]
        file = tmp_path / "params.yaml"
        file.write_text(Path("params.yaml").read_text())
        edit_params(file, run.changes)
        document = YAML(typ="safe").load(file.read_text())
        assert document["ingest"]["google_taxonomy"]["path"] == str(tmp_path / "taxonomy")
        assert set(run.own) <= set(document["locales"])


@pytest.mark.parametrize("study", [cold_start, encoders])
def test_a_page_names_no_path_of_this_machine(study: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "e5").mkdir()
    options = Options(taxonomy=tmp_path / "taxonomy", encoder=str(tmp_path / "e5"))
    assert all(str(tmp_path) in str(run.changes) for run in study.runs(options))
    told = study.page(RESULTS[study.__name__.rpartition(".")[2]]())
    assert told.changes["ingest.source"] == "google_taxonomy"
    assert str(tmp_path) not in str(told)


def test_an_encoder_of_a_directory_is_found_from_the_copy_of_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "e5").mkdir()
    assert own_files(Options(encoder="e5"))["encoder.name"] == str(tmp_path / "e5")
    assert own_files(Options(encoder="owner/e5"))["encoder.name"] == "owner/e5"


def test_the_encoders_are_scratch_the_first_layers_and_all() -> None:
    runs = {run.name: run.changes for run in encoders.runs(Options(encoder="e5", seeds=(1,)))}
    assert runs["scratch seed 1"]["encoder.name"] == "scratch"
    assert [runs[f"{name} seed 1"]["encoder.keep_layers"] for name in encoders.LAYERS] == [3, 6, None]
    assert all(runs[f"{name} seed 1"]["encoder.name"] == "e5" for name in encoders.LAYERS)


def test_the_encoders_are_compared_with_all_layers() -> None:
    recalls = {encoders.SCRATCH: 0.2, "first 3 layers": 0.4, "first 6 layers": 0.45, encoders.ALL_LAYERS: 0.5}
    stores = ("all", *encoders.SMALL)
    results: dict[str, Figures] = {
        f"{name} seed {seed}": {
            "level": name,
            "seconds": 10.0,
            "model": stores_at(stores, recall + seed / 100),
            "linear": stores_at(stores, 0.3),
        }
        for name, recall in recalls.items()
        for seed in (-1, 1)
    }
    told = encoders.page(results)
    assert told.conclusion[0].startswith("n-grams, linear: recall 0.300 over all stores, 60% of that of all layers")
    assert told.conclusion[2].startswith("first 3 layers: recall 0.400 over all stores, 80% of that of all layers")
    assert "| all layers | 0.500 | 0.500 | 0.500 | 0.500 | 10 |" in told.sections["By encoder"]


def test_a_store_that_opens_has_no_query_first_and_no_model_of_its_own() -> None:
    first, *others = cold_start.runs(Options(encoder="e5"))
    assert first.changes["split.keep_queries"] == dict.fromkeys(cold_start.NEW, 0)
    assert first.own == ()
    assert all(run.own == cold_start.NEW for run in others)


def test_the_cold_start_tells_of_the_token_that_nothing_trained() -> None:
    values = dict(zip(cold_start.SERIES, (0.0, 0.3, 0.2, 0.35), strict=True))
    first = {name: stores_at(cold_start.NEW, value) for name, value in values.items() if name != "non_unified"}
    last = {name: stores_at(cold_start.NEW, value + 0.2) for name, value in values.items()}
    told = cold_start.page({"0 queries": first, "1000 queries": last})
    assert "0.350 with its unknown-locale token and 0.200 with a token that nothing has trained" in told.conclusion[0]
    assert "non_unified 0.200, unified_agnostic 0.500" in told.conclusion[1]
    assert "| non_unified | – | 0.200 |" in told.sections["Mean of the four stores: recall"]


def test_a_model_is_asked_as_for_a_store_that_it_does_not_know() -> None:
    asked: list[str] = []

    class Noting:
        def scores(self, queries: object, locale: str) -> np.ndarray:  # noqa: ARG002 - the scorers' common form
            asked.append(locale)
            return np.zeros((1, 1), dtype=np.float32)

    cold_start.AsUnknown(Noting()).scores(["x"], "pl-PL")
    assert asked == [cold_start.NOWHERE]
    assert {RECALL, AVERAGE_PRECISION} <= set(METRICS)
