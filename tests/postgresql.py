"""PostgreSQL on this machine: its programs, and a server for tests that is reached by a socket in a folder alone."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_START_SECONDS = 60.0


def program_folders() -> list[Path]:
    """Where Debian has PostgreSQL's programs, the newest version last."""
    return sorted(program.parent for program in Path("/usr/lib/postgresql").glob("*/bin/initdb"))


def as_postgres(command: Sequence[str]) -> list[str]:
    """The command as a user that PostgreSQL accepts: it refuses root."""
    user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig=KILL"]
    return [*user, *command] if os.geteuid() == 0 else list(command)


@contextmanager
def postgresql() -> Iterator[str]:
    """The address of an empty database, whose owner is `shop` with the password `secret`."""
    programs = program_folders()[-1]
    # Not below pytest's own folder: PostgreSQL's user cannot go there.
    with tempfile.TemporaryDirectory(prefix="q2pt-postgresql-") as name:
        folder, password = Path(name), Path(name) / "password"
        password.write_text("secret")
        if os.geteuid() == 0:
            for path in (folder, password):
                shutil.chown(path, "postgres", "postgres")
        access = ["--username=shop", "--auth=scram-sha-256", f"--pwfile={password}", "--no-sync"]
        _run([str(programs / "initdb"), *access, str(folder / "data")])
        settings = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}", "-c", "fsync=off"]
        server = as_postgres([str(programs / "postgres"), "-D", str(folder / "data"), *settings])
        with subprocess.Popen(server, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
            try:
                _wait([str(programs / "pg_isready"), "--quiet", f"--host={folder}"])
                yield f"postgresql://shop@/postgres?host={folder}"
            finally:
                running.terminate()


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(as_postgres(command), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _wait(ready: Sequence[str]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while subprocess.run(ready, check=False).returncode:
        assert time.monotonic() < deadline, "PostgreSQL did not start"
        time.sleep(0.1)
