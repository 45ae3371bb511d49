"""What became of each fault after `pytest -m chaos`, in hooks of pytest: one not brought about fails the run."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

_OUTCOMES = ("passed", "failed", "error", "skipped")


@dataclass
class Fault:
    """How many tests of a fault ended how, and why some were skipped."""

    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: set[str] = field(default_factory=set)

    @property
    def is_brought_about(self) -> bool:
        """Whether a test has seen it; one that fails tells of it by itself."""
        return self.outcomes.keys() != {"skipped"}

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {outcome}" for outcome, count in self.outcomes.items())
        said = counts if self.is_brought_about else f"NOT BROUGHT ABOUT: {counts}"
        return "; ".join([said, *sorted(self.reasons)])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test's faults go with its report, which may come from another process."""
    for item in items:
        item.user_properties += [("fault", mark.args[0]) for mark in item.iter_markers("chaos")]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A run that is green though a fault was not brought about would say more than is known."""
    if session.exitstatus == pytest.ExitCode.OK and _not_brought_about(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Says it, one line a fault."""
    if not _is_chaos(config):
        return
    terminalreporter.section("faults")
    for name, fault in sorted(_faults(terminalreporter).items()):
        terminalreporter.line(f"{name:22} {fault}")
    if missing := _not_brought_about(config):
        terminalreporter.line(f"not brought about, so nothing is known of them: {', '.join(missing)}", red=True)


def _is_chaos(config: pytest.Config) -> bool:
    return bool(config.option.markexpr == "chaos")


def _not_brought_about(config: pytest.Config) -> list[str]:
    # The processes of pytest-xdist have no terminal: the one that has hears of all their tests.
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not _is_chaos(config):
        return []
    return [name for name, fault in sorted(_faults(reporter).items()) if not fault.is_brought_about]


def _faults(reporter: pytest.TerminalReporter) -> dict[str, Fault]:
    found: dict[str, Fault] = defaultdict(Fault)
    for outcome in _OUTCOMES:
        for report in reporter.getreports(outcome):
            for name in _names(report):
                found[name].outcomes[outcome] += 1
                if outcome == "skipped":
                    found[name].reasons.add(_reason(report))
    return found


def _names(report: pytest.TestReport | pytest.CollectReport) -> Iterator[str]:
    # A file that was skipped as a whole has a report too, and no properties.
    if isinstance(report, pytest.TestReport):
        yield from (str(value) for name, value in report.user_properties if name == "fault")


def _reason(report: pytest.TestReport) -> str:
    """Why a test was skipped."""
    assert isinstance(report.longrepr, tuple)
    return str(report.longrepr[2]).removeprefix("Skipped: ")
