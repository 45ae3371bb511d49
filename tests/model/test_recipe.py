"""The paper's recipe, one param away."""

from pathlib import Path

import pytest

from q2pt_tasks.layout import Layout
from q2pt_tasks.model.recipe import Training
from q2pt_tasks.params import ParamsError, read_section
from q2pt_tasks.params_edit import edit_params
from q2pt_tasks.stages.train_unified import TrainUnifiedParams

LAYOUT = Layout(Path.cwd())


def test_the_paper_gives_what_it_knows_and_leaves_the_rest() -> None:
    params = read_section(LAYOUT.params, "train_unified", TrainUnifiedParams)
    assert params.trained_as(Training.Q2PT) == params
    paper = params.trained_as(Training.PAPER)
    for recipe, own in ((paper.scratch, params.scratch), (paper.pretrained, params.pretrained)):
        assert (recipe.objective, recipe.prior_bias, recipe.ngrams) == ("binary_cross_entropy", False, None)
        assert (recipe.learning_rates, recipe.dropout, recipe.batch_size) == ((8e-5,), 0.001, 2048)
        # Nothing learns faster than the rest, and no batch is made smaller.
        assert (recipe.head_factor, recipe.min_steps_per_epoch) == (1, 1)
        assert (recipe.max_epochs, recipe.warmup_share, recipe.patience) == (
            own.max_epochs,
            own.warmup_share,
            own.patience,
        )
    assert paper.locale_dropout == params.locale_dropout


def test_another_way_of_training_is_refused(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.params.write_text(LAYOUT.params.read_text())
    edit_params(layout.params, {"training": "papers"})
    with pytest.raises(ParamsError, match="'training' is 'papers'"):
        read_section(layout.params, "training", Training)
