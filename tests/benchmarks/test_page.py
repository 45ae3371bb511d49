"""The page says what was measured, what was promised, and why a promise is not kept."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from benchmarks.performance.contestants import Contestant, Group, Results, Run, read_results, write_results
from benchmarks.performance.data import Facts
from benchmarks.performance.measure import Arena
from benchmarks.performance.page import page, read_notes
from benchmarks.performance.place import Place
from benchmarks.performance.plan import DEFAULTS, KINDS, OURS, Plan
from benchmarks.performance.sizes import FULL, MODELS, TINY, Sizes
from benchmarks.performance.tasks import Importing, Timed

FACTS = Facts("abc", 17, 90_000, 65_000, 7.2, 23_000, 1401, "Home & Garden", {"train": 12_000, "test": 3000}, 231)
CALL = ("module", "command", "{}")


def _run(contestant: str, seed: int, seconds: float) -> Run:
    timed = Timed(ends=(0.5, seconds), queries=100, peak_bytes=10**9)
    return Run("train-large/e5", contestant, seed, CALL, "2026-01-01", 1.5, 60.0, timed)


def _results(ours: float) -> Results:
    runs = [_run(OURS, seed, ours) for seed in (1, 2)] + [_run(DEFAULTS, seed, 100.0) for seed in (1, 2, 3)]
    return Results("a machine", FACTS, tuple(runs))


def test_a_row_is_printed_once_both_sides_have_run() -> None:
    text = page(_results(5.0), FULL, {})
    assert (
        "| training, batch 2048 | e5 | 20.0 queries/s | HF Trainer, defaults | 1.0 queries/s | 20 [20 .. 20] "
        "| at least 10 | yes |" in text
    )
    assert "| batch prediction |" not in text
    assert "All runs together took 5 minutes; the load average before a run was at most 1.5." in text


def test_a_row_that_is_not_met_has_a_reason() -> None:
    results = _results(20.0)
    notes = {"large/defaults/e5": "the optimiser takes it."}
    assert "training, batch 2048, e5, against HF Trainer, defaults: the optimiser takes it." in page(
        results, FULL, notes
    )
    assert "against HF Trainer, defaults: not explained yet." in page(results, FULL, {})


def test_notes_can_be_read() -> None:
    assert isinstance(read_notes(), dict)


def test_results_come_back_from_their_file(tmp_path: Path) -> None:
    file = tmp_path / "performance.json"
    write_results(file, _results(5.0))
    assert read_results(file, "a machine", FACTS) == _results(5.0)
    assert read_results(file, "another machine", FACTS).runs == ()


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("sizes", [FULL, TINY], ids=["full", "tiny"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_group_calls_its_contestants_by_seed(kind: str, sizes: Sizes, model: str) -> None:
    plan = Plan(model, Place(Path("build/x")), sizes, FACTS, 128, ("en-US", "de-DE"))
    group = plan.group(kind, None)
    assert plan.group(kind, 9).turns == 9
    for contestant in group.contestants:
        assert '"seed": 7' in contestant.call(7)[2]
        assert "{" not in contestant.call(7)[2].removeprefix("{")


@dataclass(frozen=True)
class _Counting(Arena):
    """Answers at once, and notes who ran."""

    ran: list[str] = field(default_factory=list)

    def _answer(self, contestant: Contestant, call: tuple[str, str, str], log: Path) -> Timed:  # noqa: ARG002
        self.ran.append(contestant.name)
        return Timed(ends=(1.0,), queries=1)


def _arena(folder: Path) -> _Counting:
    return _Counting({}, folder / "logs", folder / "kept.json")


def _group(*names: str) -> Group:
    return Group("g/e5", [Contestant(name, "ours", "stages", name, Importing(), 1) for name in names], 2)


def test_contestants_run_in_turn_and_what_is_kept_is_not_run_again(tmp_path: Path) -> None:
    arena = _arena(tmp_path)
    results = arena.measure(_group("a", "b"), Results("m", FACTS))
    assert arena.ran == ["a", "b", "a", "b"]
    arena.measure(_group("a", "b"), results)
    assert arena.ran == ["a", "b", "a", "b"]
    assert read_results(tmp_path / "kept.json", "m", FACTS) == results


def test_what_follows_in_a_turn_is_run_again_with_what_was_missing(tmp_path: Path) -> None:
    arena = _arena(tmp_path)
    results = arena.measure(_group("a", "b", "c"), Results("m", FACTS))
    arena.ran.clear()
    again = arena.measure(_group("a", "b", "c"), results.without_turn("g/e5", 2, ["b"]))
    assert arena.ran == ["b", "c"]
    assert len(again.runs) == len(results.runs)
