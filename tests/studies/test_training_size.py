from q2pt_tasks.layout import Layout
from q2pt_tasks.studies.measuring import AVERAGE_PRECISION, RECALL
from q2pt_tasks.studies.study import Figures, Options, Run
from q2pt_tasks.studies.training_size import CHANGES, SIZES, SMALL, VARIANTS, measure, page, runs


def _results(own: list[float], unified: list[float]) -> dict[str, Figures]:
    """Figures of one seed, the same in both stores."""
    values = {
        size: dict(zip(VARIANTS, (mine, theirs, theirs - 0.1), strict=True))
        for size, mine, theirs in zip(SIZES, own, unified, strict=True)
    }
    return {
        f"{size}": {
            "level": size,
            **{
                name: {store: {RECALL: value, AVERAGE_PRECISION: value} for store in SMALL}
                for name, value in values[size].items()
            },
        }
        for size in SIZES
    }


def test_both_stores_are_made_small_and_no_other() -> None:
    for run in runs(Options(seeds=(1,))):
        kept = run.changes["split.keep_queries"]
        (size,) = set(kept.values())
        assert set(kept) == set(SMALL) == set(run.own)
        assert run.name == f"{size} queries seed 1"
    assert set(SMALL) <= set(CHANGES["locales"])


def test_the_conclusion_says_up_to_which_size_sharing_is_ahead() -> None:
    told = page(_results([0.1, 0.3, 0.5, 0.7, 0.8], [0.4, 0.5, 0.55, 0.6, 0.7]))
    assert told.conclusion[0] == (
        "de-AT: sharing is ahead in average precision at 30, 100, 200 (the better unified model less its own: "
        "+0.300 at 30, +0.200 at 100, +0.050 at 200, -0.100 at 400, -0.100 at 1000)."
    )


def test_sharing_that_is_ahead_always_or_never_is_said() -> None:
    always = page(_results([0.3] * 5, [0.4] * 5))
    assert "is ahead in average precision at every size" in always.conclusion[0]
    told = page(_results([0.5] * 5, [0.4] * 5))
    assert "is ahead in average precision at no size" in told.conclusion[1]


def test_a_run_is_measured_in_the_small_stores(finished: Layout) -> None:
    run = Run("one", {"split.keep_queries": {"fr-BE": 30}}, own=("fr-BE",))
    found = measure(run, finished)
    assert found["level"] == 30
    assert {name: list(found[name]) for name in VARIANTS} == {name: ["fr-BE"] for name in VARIANTS}
    assert found["unified_aware"]["fr-BE"][AVERAGE_PRECISION] > 0
