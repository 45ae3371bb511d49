"""Starts a command that does not outlive the process that asked for it, nor leaves anything of its own behind.

Run as a script, in a new session: `guard.py PARENT COMMAND...`. This process becomes the command, and a child of it
stays. When PARENT dies, the kernel kills the command; when the command dies, whoever killed it, the child kills
the rest of the process group: what a stage has started has no other way to learn that.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

_PR_SET_PDEATHSIG = 1
_KILLED = 128 + signal.SIGKILL


def main(arguments: Sequence[str]) -> NoReturn:
    parent, *command = arguments
    _ask_for_signal_at_parents_death(signal.SIGKILL)
    # It may have died before the kernel was asked.
    if os.getppid() != int(parent):
        sys.exit(_KILLED)
    guarded = os.getpid()
    if os.fork() == 0:
        _kill_group_after(guarded)
    os.execvp(command[0], command)  # noqa: S606 - no shell is wanted


def _kill_group_after(guarded: int) -> NoReturn:
    # Stays through a polite stop of the group, to the end of the command.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1})
    _ask_for_signal_at_parents_death(signal.SIGUSR1)
    while os.getppid() == guarded:
        signal.sigwait({signal.SIGUSR1})
    os.killpg(os.getpgrp(), signal.SIGKILL)
    raise AssertionError("a process survived its own SIGKILL")


def _ask_for_signal_at_parents_death(number: signal.Signals) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")


if __name__ == "__main__":
    main(sys.argv[1:])
