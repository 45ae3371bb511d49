"""Which lock entry counts for a stage, whether its task has run, was skipped, or both, one after the other."""

from typing import Any

import pytest

from q2pt_tasks.orchestration.idle import Idle, read_idle

KNOWN, MADE = {"cmd": "known"}, {"cmd": "made"}
IDLE = Idle(commit="c1", unchanged={"label": KNOWN}, left_out=("train@fr-BE",))


def _told(commit: str) -> dict[str, Any]:
    return {"commit": commit, "address": "label", "state": "ran", "entry": MADE, "seconds": 1.0, "rows": {}}


@pytest.mark.parametrize(
    ("address", "told", "entry"),
    [
        ("label", None, KNOWN),
        # A person cleared the task, and it ran again.
        ("label", _told("c1"), MADE),
        # The same, but it has failed.
        ("label", IDLE.doubt("label"), None),
        # Configure was cleared, has made another commit, and found the stage unchanged.
        ("label", _told("c0"), KNOWN),
        ("split", None, None),
        ("split", _told("c1"), MADE),
        # Where nothing else is known join gets it, and refuses it.
        ("split", _told("c0"), MADE),
        ("train@fr-BE", None, None),
        # It was part of the run before configure was cleared.
        ("train@fr-BE", _told("c0"), None),
    ],
)
def test_the_entry_of_a_stage(address: str, told: dict[str, Any] | None, entry: dict[str, Any] | None) -> None:
    assert IDLE.entry_of(address, told) == entry


def test_a_result_of_a_time_before_results_named_their_commit_is_of_another_one() -> None:
    told = _told("c1")
    del told["commit"]
    assert IDLE.entry_of("label", told) == KNOWN


def test_a_plan_says_which_tasks_are_skipped_and_why() -> None:
    plan = {"commit": "c1", "unchanged": {"train@en-US": KNOWN, "label": KNOWN}, "skipped": ["train@fr-BE"], "last": {}}
    expected = {"train.en-US": "unchanged", "label": "unchanged", "train.fr-BE": "left out"}
    assert read_idle(plan).tasks == expected
