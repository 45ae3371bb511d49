import base64
import re
import stat
import subprocess
import sys
from pathlib import Path

from compose_file import COMPOSE_FILE, read_env, required_variables

SCRIPT = "deploy/make_secrets.py"


def _make(path: Path) -> subprocess.CompletedProcess[str]:
    # Isolated: who starts the services need not have installed anything.
    return subprocess.run([sys.executable, "-I", "-S", SCRIPT, str(path)], capture_output=True, text=True, check=False)


def test_every_secret_that_compose_requires_is_made_and_no_other(tmp_path: Path) -> None:
    assert _make(tmp_path / "secrets").returncode == 0
    assert set(read_env(tmp_path / "secrets")) == required_variables(COMPOSE_FILE.read_text(encoding="utf-8"))


def test_only_the_owner_reads_them(tmp_path: Path) -> None:
    _make(tmp_path / "secrets")
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o600


def test_each_is_long_new_and_of_harmless_characters(tmp_path: Path) -> None:
    made = []
    for name in ("one", "other"):
        _make(tmp_path / name)
        made.append(read_env(tmp_path / name))
    values = [value for secrets in made for value in secrets.values()]
    assert len(set(values)) == len(values)
    # Nothing that Compose, a shell or a URL would read as more than text.
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{20,}=?", value) for value in values)
    assert len(made[0]["JWT_SECRET"]) >= 64
    assert len(base64.urlsafe_b64decode(made[0]["FERNET_KEY"])) == 32


def test_secrets_that_are_there_are_kept(tmp_path: Path) -> None:
    (tmp_path / "secrets").write_text("POSTGRES_PASSWORD=known\n")
    done = _make(tmp_path / "secrets")
    assert done.returncode == 1
    assert "exists" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "secrets").read_text() == "POSTGRES_PASSWORD=known\n"


def test_make_writes_them_where_git_and_images_do_not_take_them() -> None:
    # Below another make it would print the folder that it enters.
    dry_run = ["make", "--dry-run", "--no-print-directory", "secrets"]
    recipe = subprocess.run(dry_run, capture_output=True, text=True, check=True).stdout
    assert recipe.strip().endswith(f"{SCRIPT} .env.secrets")
    subprocess.run(["git", "check-ignore", "--quiet", ".env.secrets"], check=True)
    assert "!.env.secrets" not in Path(".dockerignore").read_text(encoding="utf-8").splitlines()
