"""A bar for people, nothing for logs."""

import io
import sys

import pytest

from q2pt_tasks.serving.progress import row_bar


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_has_a_bar_that_begins_where_the_last_run_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with row_bar(1000, 250) as advance:
        assert "25%" in terminal.getvalue()
        advance(750)
    assert "250/1.00k" in terminal.getvalue()


def test_a_log_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    with row_bar(1000, 250) as advance:
        advance(750)
    assert log.getvalue() == ""
