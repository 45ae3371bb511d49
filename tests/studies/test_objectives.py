"""The study of objectives: its runs, what is measured of one, and what its page concludes."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from q2pt_tasks.layout import Layout
from q2pt_tasks.params_edit import edit_params
from q2pt_tasks.studies.objectives import CHOICE, FIGURES, measure, page, runs
from q2pt_tasks.studies.study import Figures, Options, Run
from q2pt_tasks.studies.ways_to_train import (
    ALONE,
    CROSS_ENTROPY,
    LEVELLED,
    PAPER,
    PRETRAINED,
    RECIPES,
    SCRATCH,
    SOFTMAX,
    SPARSEMAX,
    TEMPERATURE,
    TOGETHER,
    WAYS,
    Recipe,
    Way,
    chosen_rates,
)

BOTH = Options(taxonomy=Path("taxonomy"), encoder="owner/encoder", seeds=(1, 2))


def _run(recipe: Recipe, way: Way, seed: int) -> Run:
    return next(run for run in runs(BOTH) if run.name == f"{recipe.name}, {way.name}, seed {seed}")


def test_every_way_is_tried_in_every_recipe_with_every_seed() -> None:
    assert {run.name for run in runs(BOTH)} == {
        f"{recipe}, {way.name}, seed {seed}" for recipe in RECIPES for way in WAYS for seed in (1, 2)
    }


def test_without_an_encoder_the_pre_trained_recipe_is_left_out() -> None:
    assert {run.name.split(", ")[0] for run in runs(Options())} == {SCRATCH.name}


@pytest.mark.parametrize("section", [TOGETHER, ALONE])
def test_the_first_seed_searches_and_the_others_take_what_it_chose(section: str) -> None:
    first, second = (_run(SCRATCH, SOFTMAX, seed).changes for seed in (1, 2))
    assert first[f"{section}.scratch.learning_rates"] == [1e-3, 2e-3, 4e-3]
    assert second[f"{section}.scratch.learning_rates"] == chosen_rates(SCRATCH, section, SOFTMAX.name)


def test_a_rate_that_nothing_chose_is_the_recipes_own() -> None:
    assert chosen_rates(PRETRAINED, TOGETHER, "no such way") == [PRETRAINED.rates[TOGETHER]]


def test_the_papers_way_starts_from_even_scores() -> None:
    changes = _run(PRETRAINED, PAPER, 1).changes
    assert changes["train_unified.pretrained.objective"] == "binary_cross_entropy"
    assert changes["train_unified.pretrained.prior_bias"] is False
    assert _run(PRETRAINED, CROSS_ENTROPY, 1).changes["train_unified.pretrained.prior_bias"] is True


def test_stores_are_levelled_in_the_model_of_all_of_them_alone() -> None:
    levelled, not_levelled = _run(SCRATCH, LEVELLED, 1), _run(SCRATCH, CROSS_ENTROPY, 1)
    assert levelled.changes["train_unified.locale_temperature"] == TEMPERATURE
    assert not_levelled.changes["train_unified.locale_temperature"] == 1
    assert (levelled.own, not_levelled.own) == ((), tuple(SCRATCH.own))


def test_every_run_changes_params_that_exist_and_trains_stores_that_it_has(tmp_path: Path) -> None:
    for run in runs(BOTH):
        file = tmp_path / "params.yaml"
        file.write_text(Path("params.yaml").read_text())
        edit_params(file, run.changes)
        assert set(run.own) <= set(YAML(typ="safe").load(file.read_text())["locales"])


def test_a_run_is_measured_on_validation_and_on_test(finished: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = Recipe("scratch", {TOGETHER: 2e-3, ALONE: 2e-3}, {}, own=("en-GB", "fr-BE"), small=("fr-BE",))
    monkeypatch.setitem(RECIPES, "scratch", tiny)
    found = measure(Run("scratch, softmax, seed 1", {}, unified=("unified_aware",), own=tiny.own), finished)
    assert (found["recipe"], found["way"], found["seed"]) == ("scratch", "softmax", "seed 1")
    assert list(found["sections"]) == [TOGETHER, ALONE]
    assert [len(found["sections"][section]["rates"]) for section in (TOGETHER, ALONE)] == [1, 2]
    assert all(0 <= found["sections"][TOGETHER][figure] <= 1 for figure in FIGURES)
    assert found["sections"][TOGETHER][CHOICE] > 0


def _results(choices: Mapping[str, tuple[float, ...]], rate: float = 2e-3) -> dict[str, Figures]:
    """Figures of a study of the scratch recipe, every one of them as high as what is chosen by."""
    return {
        f"scratch, {way}, seed {seed}": {
            "recipe": "scratch",
            "way": way,
            "seed": f"seed {seed}",
            "sections": {
                section: {"rates": [rate], **dict.fromkeys(FIGURES, value)}
                for section in (TOGETHER, ALONE)
                if not (section == ALONE and way == LEVELLED.name)
            },
        }
        for way, values in choices.items()
        for seed, value in enumerate(values)
    }


CHOICES = {
    PAPER.name: (0.20, 0.22),
    CROSS_ENTROPY.name: (0.30, 0.40),
    SOFTMAX.name: (0.38, 0.44),
    SPARSEMAX.name: (0.35, 0.37),
    LEVELLED.name: (0.50, 0.60),
}


def test_the_best_on_validation_is_named_with_what_it_beats_beyond_the_seeds_spread() -> None:
    together, levelled, alone = page(_results(CHOICES)).conclusion
    assert together.startswith(
        "`train_unified.scratch`: softmax is best on validation; ahead beyond the seeds' spread of "
        "cross-entropy of the paper, sparsemax. Against the paper: validation average precision +0.200"
    )
    assert "stores levelled, against not: validation average precision +0.200" in levelled
    assert alone.startswith("`train_non_unified.scratch`: softmax is best")


def test_the_table_has_mean_and_range_of_the_seeds() -> None:
    told = page(_results(CHOICES)).sections["`train_unified.scratch`"]
    assert f"| {SOFTMAX.name} | 0.002 | 0.410 (0.380–0.440) |" in told


def test_a_rate_at_the_edge_and_one_that_further_seeds_did_not_take_are_said() -> None:
    limits = page(_results(CHOICES, rate=8e-3)).limits
    assert f"`train_unified.scratch`, {PAPER.name}: further seeds were trained at another rate" in "\n".join(limits)
    at_edge = "\n".join(page(_results(CHOICES, rate=4e-3)).limits)
    assert "best at the lowest or highest rate tried" in at_edge
    assert "best at the lowest or highest rate tried" not in "\n".join(page(_results(CHOICES)).limits)
