"""A command runs without a shell, is read line by line, and neither it nor what it starts outlives its parent."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from q2pt_tasks.orchestration.process import LAST_LINES, Command

# Writes its own process id and that of a child of its own, which would sleep on, then sleeps itself.
FAMILY = """
import os, subprocess, sys, time
child = subprocess.Popen(["sleep", "600"], start_new_session=False)
print(os.getpid(), child.pid, flush=True)
time.sleep(600)
"""
# As a task: runs FAMILY through Command and writes what it says to a file.
PARENT = f"""
import os, sys
from pathlib import Path
from q2pt_tasks.orchestration.process import Command
Command([sys.executable, "-c", {FAMILY!r}], on_line=Path(sys.argv[1]).write_text, cwd=Path("/"), env=os.environ).run()
"""


def _command(*arguments: str, on_line: Callable[[str], None] = print) -> Command:
    return Command(arguments, on_line=on_line, cwd=Path("/"), env=os.environ)


def _python(code: str, on_line: Callable[[str], None] = print) -> Command:
    return _command(sys.executable, "-c", code, on_line=on_line)


def _stop_when_it_has_spoken(command: Command, lines: list[str]) -> None:
    def stop() -> None:
        _await(lambda: lines)
        command.stop(grace=1)

    threading.Thread(target=stop).start()


def _await(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def _is_alive(pid: int) -> bool:
    try:
        # A zombie is dead; nobody here waits for it.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_lines_of_both_streams_arrive_and_the_exit_code_is_the_commands_own() -> None:
    lines: list[str] = []
    code = "import sys; print('out', flush=True); print('err', file=sys.stderr); sys.exit(3)"
    assert _python(code, lines.append).run() == 3
    assert lines == ["out", "err"]


def test_arguments_reach_the_command_as_they_are() -> None:
    lines: list[str] = []
    arguments = ["; rm -rf /", "$(id)", "--force", "two\nlines", "*"]
    _command(sys.executable, "-c", "import sys; print(sys.argv[1:])", *arguments, on_line=lines.append).run()
    assert lines == [repr(arguments)]


def test_stdin_is_closed() -> None:
    lines: list[str] = []
    _python("import sys; print(repr(sys.stdin.read()))", lines.append).run()
    assert lines == ["''"]


def test_the_last_lines_are_kept() -> None:
    command = _python("for number in range(100): print(number)")
    command.run()
    assert list(command.last_lines) == [str(number) for number in range(100 - LAST_LINES, 100)]


def test_of_a_line_that_is_written_over_itself_the_last_state_counts() -> None:
    lines: list[str] = []
    code = r"import sys; sys.stdout.buffer.write('10 %\r100 %\nende \xff\r\nohne'.encode('latin-1'))"
    _python(code, lines.append).run()
    assert lines == ["100 %", "ende �", "ohne"]


def test_a_signal_shows_as_a_negative_exit_code() -> None:
    assert _python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)").run() == -signal.SIGKILL


def test_a_command_that_does_not_exist_fails() -> None:
    command = _command("/no/such/command")
    assert command.run() != 0
    assert "No such file or directory" in command.last_lines[-1]


def test_what_the_command_leaves_behind_ends_with_it() -> None:
    lines: list[str] = []
    code = "import subprocess; print(subprocess.Popen(['sleep', '600']).pid)"
    started = time.monotonic()
    assert _python(code, lines.append).run() == 0
    assert time.monotonic() - started < 10
    _await(lambda: not _is_alive(int(lines[0])))


def test_stop_ends_the_whole_group_and_the_command_may_clean_up() -> None:
    lines: list[str] = []
    code = f"import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit('cleaned up')){FAMILY}"
    command = _python(code, lines.append)
    _stop_when_it_has_spoken(command, lines)
    assert command.run() == 1
    assert lines[-1] == "cleaned up"
    _await(lambda: not any(_is_alive(int(pid)) for pid in lines[0].split()))


def test_stop_kills_a_command_that_does_not_listen() -> None:
    lines: list[str] = []
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
    command = _python(code, lines.append)
    _stop_when_it_has_spoken(command, lines)
    assert command.run() == -signal.SIGKILL


def test_an_error_while_reading_ends_the_command() -> None:
    lines: list[str] = []

    def refuse(line: str) -> None:
        lines.append(line)
        raise ValueError(line)

    with pytest.raises(ValueError):
        _python(FAMILY, refuse).run()
    _await(lambda: not any(_is_alive(int(pid)) for pid in lines[0].split()))


@pytest.mark.chaos("task-killed")
@pytest.mark.parametrize("victim", ["parent", "command"])
def test_kill_9_leaves_nobody(tmp_path: Path, victim: str) -> None:
    said = tmp_path / "said"
    with subprocess.Popen([sys.executable, "-c", PARENT, str(said)]) as parent:
        _await(lambda: said.exists() and len(said.read_text().split()) == 2)
        command, grandchild = map(int, said.read_text().split())
        assert _is_alive(grandchild)
        os.kill(parent.pid if victim == "parent" else command, signal.SIGKILL)
        _await(lambda: not _is_alive(command) and not _is_alive(grandchild))
        parent.wait(20)


def test_a_command_whose_parent_is_gone_already_does_not_start() -> None:
    script = Path(sys.modules["q2pt_tasks.orchestration.guard"].__file__ or "")
    done = subprocess.run([sys.executable, str(script), "1", "echo", "started"], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (137, b"")
