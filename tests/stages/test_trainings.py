"""What the stages that train read of params.yaml."""

from pathlib import Path
from types import ModuleType

import pytest

from q2pt_tasks.layout import Layout
from q2pt_tasks.model.recipe import Recipes
from q2pt_tasks.params_edit import edit_params
from q2pt_tasks.stages import train_non_unified, train_unified


@pytest.mark.parametrize(("stage", "name"), [(train_unified, "unified_aware"), (train_non_unified, "en-US")])
def test_one_param_trains_as_the_paper_does(
    stage: ModuleType, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Layout(tmp_path)
    layout.params.write_text(Path("params.yaml").read_text())
    edit_params(layout.params, {"training": "paper"})
    trained: list[Recipes] = []
    monkeypatch.setattr(stage, "read_encoder", lambda _: None)
    monkeypatch.setattr(stage, "run", lambda _layout, _name, params, *_, **__: trained.append(params))
    stage.main(layout, name)
    (params,) = trained
    assert params.scratch.batch_size == params.pretrained.batch_size == 2048
