"""A disk of some megabytes that a test fills."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A file system in memory at `folder`; the test is skipped where nobody may mount one."""
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no small disk to fill: mounting one is not allowed here ({done.stderr.strip()})")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path, left: int) -> Path:
    """Takes all of a disk but `left` bytes, in a file that makes room again when it is removed."""
    room = os.statvfs(disk)
    filler = disk / "filler"
    filler.write_bytes(b"\0" * max(0, room.f_bavail * room.f_frsize - left))
    return filler
