"""The catalog's product types have other names overnight: no candidate replaces a champion that knows the old ones."""

import json
import shutil
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from data_path import SMALL
from tiny import run_data_stages, run_pipeline, tiny_project

from q2pt_tasks.layout import Layout
from q2pt_tasks.model.champion import hash_folder
from q2pt_tasks.model.metadata import CENSUS, METADATA, load_metadata
from q2pt_tasks.params_edit import edit_params
from q2pt_tasks.stages import evaluate, gate, train_unified

pytestmark = pytest.mark.chaos("types-renamed")


def renamed(document: Any, names: dict[str, str]) -> Any:  # noqa: ANN401 - JSON
    """The same document with other names for product types, wherever they stand."""
    if isinstance(document, dict):
        return {names.get(key, key): renamed(value, names) for key, value in document.items()}
    if isinstance(document, list):
        return [renamed(value, names) for value in document]
    return names.get(document, document) if isinstance(document, str) else document


def shop_with_champion(finished: Layout, folder: Path, share: float) -> Layout:
    """A night's models beside a champion of the same weights, which has other names for a share of its types."""
    for name in ("params.yaml", "champion.json", "human.csv"):
        shutil.copyfile(finished.root / name, folder / name)
    for name in ("data", "models", "reports"):
        shutil.copytree(finished.root / name, folder / name)
    champion = folder / "champion"
    shutil.copytree(finished.unified_model("unified_aware"), champion)
    types = load_metadata(champion).product_types
    names = {name: f"OLD {name}" for name in types[: round(share * len(types))]}
    for file in (METADATA, CENSUS, "config.json"):
        document = json.loads((champion / file).read_text(encoding="utf-8"))
        (champion / file).write_text(json.dumps(renamed(document, names)), encoding="utf-8")
    layout = Layout(folder)
    last_day = json.loads(finished.window.read_text())["last_day"]
    named = {"version": "v1", "hash": hash_folder(champion), "path": "champion", "last_day": last_day}
    layout.champion.write_text(json.dumps(named))
    return layout


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_a_champion_that_knows_other_names_is_not_replaced_unasked(
    finished: Layout, tmp_path: Path, share: float
) -> None:
    layout = shop_with_champion(finished, tmp_path, share)
    evaluate.main(layout)
    gate.main(layout)
    decision = json.loads(layout.decision.read_text())
    assert decision["promote"] is False
    rules = {rule["name"]: rule for rule in decision["rules"]}
    assert rules["types"]["passed"] is False
    assert "are of product types that nobody means tonight (OLD " in decision["sentence"]
    assert "find out whether the catalog is broken" in decision["sentence"]
    if share == 1.0:
        assert rules["types"]["figures"]["gone_share"] == 1.0


# Small, and trained for a moment: what is asked is of names, not of figures.
QUICK = {
    **SMALL,
    "train_unified.scratch.max_epochs": 3,
    "train_non_unified.scratch.max_epochs": 1,
    "evaluate.resamples": 200,
}


@pytest.fixture(scope="module")
def night_before(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """A small shop's night up to its models."""
    layout = tiny_project(tmp_path_factory.mktemp("before"), QUICK)
    run_data_stages(layout)
    train_unified.main(layout, "unified_aware")
    return layout


def night_of_another_catalog(before: Layout, folder: Path, names: Mapping[str, str]) -> Layout:
    """The log of the night before, with a catalog that has other names for some product types.

    That night's model is the champion, and so old that a candidate as good as it would replace it.
    """
    own = {"source": "events", "last_day": None, "events.path": "log", "events.catalog": "catalog.parquet"}
    layout = tiny_project(folder, {**QUICK, **{f"ingest.{key}": value for key, value in own.items()}})
    (folder / "log").mkdir()
    for file in (before.raw / "events").glob("event_date=2*.parquet"):
        shutil.copy(file, folder / "log")
    catalog = pq.ParquetFile(before.raw / "catalog.parquet").read()
    types = [names.get(name, name) for name in catalog["product_type"].to_pylist()]
    column = catalog.schema.get_field_index("product_type")
    pq.write_table(catalog.set_column(column, "product_type", [types]), folder / "catalog.parquet")
    shutil.copytree(before.unified_model("unified_aware"), folder / "champion")
    newest = date.fromisoformat(json.loads(before.window.read_text())["last_day"])
    learned = {"last_day": str(newest - timedelta(days=30)), "path": "champion"}
    layout.champion.write_text(json.dumps({"version": "v1", "hash": hash_folder(folder / "champion"), **learned}))
    return layout


def rules_of(layout: Layout) -> dict[str, dict[str, Any]]:
    return {rule["name"]: rule for rule in json.loads(layout.decision.read_text())["rules"]}


@pytest.mark.slow
def test_a_catalog_with_other_names_gives_no_model_a_reason_to_replace_the_champion(
    night_before: Layout, tmp_path: Path
) -> None:
    known = load_metadata(night_before.unified_model("unified_aware")).product_types
    names = {name: f"{name} OF TONIGHT" for name in known[: round(0.3 * len(known))]}
    layout = night_of_another_catalog(night_before, tmp_path, names)
    run_pipeline(layout)
    learned = load_metadata(layout.unified_model("unified_aware")).product_types
    assert set(names.values()) & set(learned)
    assert not names.keys() & set(learned)
    decision = json.loads(layout.decision.read_text())
    assert decision["promote"] is False
    rule = rules_of(layout)["types"]
    assert (rule["passed"], rule["severity"]) == (False, "block")
    assert "are of product types that nobody means tonight (" in decision["sentence"]
    assert "find out whether the catalog is broken" in decision["sentence"]
    # A person says that it is as it should be.
    edit_params(layout.params, {"gate.retired_types": sorted(names)})
    gate.main(layout)
    assert rules_of(layout)["types"]["passed"] is True
