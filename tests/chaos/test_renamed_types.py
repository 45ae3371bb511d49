"""The catalog's product types have other names overnight: no candidate replaces a champion that knows the old ones."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from q2pt_tasks.layout import Layout
from q2pt_tasks.model.champion import hash_folder
from q2pt_tasks.model.metadata import CENSUS, METADATA, load_metadata
from q2pt_tasks.stages import evaluate, gate

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
