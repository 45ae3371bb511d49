from dataclasses import replace
from pathlib import Path

import pytest
from pretrained import write_encoder
from ruamel.yaml import YAML

from benchmarks.performance.data import Query
from benchmarks.performance.sizes import E5, TINY
from benchmarks.performance.workspaces import Workspace
from q2pt_tasks.layout import Layout
from q2pt_tasks.model.tokenizer import load_tokenizer

OF_MASKS = "data/labeled/assortment.json"
QUERIES = [Query("en-US", text, ("1",)) for text in ("hat", "red shoes", "wide trousers", "a hat of straw")]


@pytest.mark.parametrize("stage", ["train_unified", "train_non_unified"])
def test_a_training_finds_all_the_data_that_the_pipeline_gives_it(tmp_path: Path, stage: str) -> None:
    encoder = write_encoder(tmp_path / "encoder")
    stages = replace(TINY.stages[E5], locales=2, rows_per_locale=2)
    workspace = Workspace(Layout(tmp_path), load_tokenizer(encoder), stages)
    workspace.write("encoder", {"train": QUERIES, "validation": QUERIES})
    deps = YAML(typ="safe").load(Path("dvc.yaml").read_text())["stages"][stage]["deps"]
    data = {path.replace("${item.locale}", workspace.locales[0]) for path in deps if path.startswith("data/")}
    assert data
    # A recipe that masks nothing reads no assortment.
    assert [path for path in data if not (tmp_path / path).exists()] == [OF_MASKS] * (OF_MASKS in data)
