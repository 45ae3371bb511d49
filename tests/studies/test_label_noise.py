import pytest

from q2pt_tasks.layout import Layout
from q2pt_tasks.studies.label_noise import EVERY, SHARES, measure, page, runs
from q2pt_tasks.studies.study import Options, Run


def test_every_share_is_run_with_every_seed() -> None:
    made = runs(Options(seeds=(3, 4, 5)))
    assert len(made) == 3 * len(SHARES)
    assert {(run.changes["split.flip_labels"], run.changes["seed"]) for run in made} == {
        (share, seed) for share in SHARES for seed in (3, 4, 5)
    }


def test_a_run_is_measured_over_all_stores(finished: Layout) -> None:
    found = measure(Run("one", {"split.flip_labels": 0.1}), finished)
    assert found["level"] == 0.1
    assert all(0 < found[name]["micro_recall"] < 1 for name in EVERY)


def test_the_conclusion_is_what_the_mean_over_the_seeds_says() -> None:
    results = {
        f"{share} {seed}": {
            "level": share,
            **{name: {"micro_recall": 0.8 - share + seed / 10, "micro_average_precision": 0.5} for name in EVERY},
        }
        for share in SHARES
        for seed in (-1, 1)
    }
    told = page(results)
    assert told.conclusion[0] == (
        "unified_agnostic keeps of its recall of 0.800 without added noise: "
        "88% at 10%, 75% at 20%, 62% at 30%, 50% at 40% wrong labels."
    )
    assert "| unified_aware | 0.800 | 0.700 | 0.600 | 0.500 | 0.400 |" in told.sections["Micro recall at precision 0.8"]


def test_the_runs_differ_in_nothing_but_noise_and_seed() -> None:
    keys = {frozenset(run.changes) for run in runs(Options())}
    assert keys == {frozenset({"ingest.source", "split.flip_labels", "seed"})}
    assert {run.changes["ingest.source"] for run in runs(Options())} == {"synthetic"}


@pytest.mark.parametrize("name", EVERY)
def test_every_run_stands_on_the_page(name: str) -> None:
    figures = {"micro_recall": 0.5, "micro_average_precision": 0.5}
    results = {f"run {share}": {"level": share, **dict.fromkeys(EVERY, figures)} for share in SHARES}
    told = page(results)
    assert f"{name} recall" in told.sections["Every run"]
    assert all(run in told.sections["Every run"] for run in results)
