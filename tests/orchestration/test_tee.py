"""What a process and its children print is passed on and kept."""

import os
import subprocess
import sys

import pytest

from q2pt_tasks.orchestration.process import LAST_LINES
from q2pt_tasks.orchestration.tee import tee


def _say(text: str) -> None:
    # Pytest puts another file behind `print`.
    os.write(1, f"{text}\n".encode())


def test_lines_of_this_process_and_of_a_child_are_passed_on_and_kept(capfd: pytest.CaptureFixture[str]) -> None:
    with tee() as lines:
        _say("own")
        subprocess.run([sys.executable, "-c", "import sys; print('out'); print('err', file=sys.stderr)"], check=True)
    _say("after")
    assert sorted(lines) == ["err", "out", "own"]
    assert sorted(capfd.readouterr().out.split()) == ["after", "err", "out", "own"]


def test_only_the_last_lines_are_kept() -> None:
    with tee() as lines:
        _say("\n".join(map(str, range(50))))
    assert list(lines) == [str(number) for number in range(50 - LAST_LINES, 50)]


def test_an_error_in_the_block_comes_out_and_the_lines_are_complete() -> None:
    def fail() -> None:
        _say("before")
        raise RuntimeError

    with pytest.raises(RuntimeError), tee() as lines:
        fail()
    assert list(lines) == ["before"]


def test_a_process_that_stays_does_not_hold_up_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("q2pt_tasks.orchestration.tee._SECONDS_TO_DRAIN", 0.2)
    with tee() as lines:
        stays = subprocess.Popen(["sleep", "600"])
        _say("said")
    assert list(lines) == ["said"]
    stays.kill()
    stays.wait()
