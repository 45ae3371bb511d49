"""What the first service of docker-compose.yml prepares, with Airflow's own commands on SQLite and an S3 service."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from compose_file import read_env
from s3_service import CREDENTIALS, s3_service
from werkzeug.security import check_password_hash

BIN = Path(sys.executable).parent


@pytest.fixture
def endpoint() -> Iterator[str]:
    """The URL of an S3 service without a bucket."""
    with s3_service() as url:
        yield url


def _environment(home: Path, endpoint: str) -> dict[str, str]:
    return read_env(Path("deploy/airflow.env")) | {
        **CREDENTIALS,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "Q2PT_GIT_REMOTE": "git://git/q2pt.git",
        "Q2PT_DVC_REMOTE_ENDPOINT": endpoint,
        "GPU_SLOTS": "2",
        "ADMIN_PASSWORD": "a word that nobody knows",
    }


@pytest.mark.slow
@pytest.mark.enable_socket
@pytest.mark.timeout(1200)
def test_it_can_run_at_every_start(tmp_path: Path, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = _environment(tmp_path, endpoint)
    for _ in range(2):
        subprocess.run(["deploy/init.sh"], env=environment, stdin=subprocess.DEVNULL, check=True)
    with sqlite3.connect(tmp_path / "airflow.db") as database:
        assert ("gpu", 2) in database.execute("SELECT pool, slots FROM slot_pool").fetchall()
        ((name, password),) = database.execute("SELECT username, password FROM ab_user").fetchall()
    assert name == "admin"
    assert check_password_hash(password, environment["ADMIN_PASSWORD"])
    for variable, value in CREDENTIALS.items():
        monkeypatch.setenv(variable, value)
    store = boto3.client("s3", endpoint_url=endpoint)
    assert [bucket["Name"] for bucket in store.list_buckets()["Buckets"]] == ["q2pt"]


@pytest.mark.parametrize("remote", ["/srv/dvc", "s3:///folder", ""])
def test_a_remote_without_a_bucket_is_refused(remote: str) -> None:
    environment = {"PATH": os.environ["PATH"], "Q2PT_GIT_REMOTE": "git://git/q2pt.git", "Q2PT_DVC_REMOTE": remote}
    command = [sys.executable, "deploy/create_bucket.py"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Q2PT_DVC_REMOTE is" in done.stderr
    assert "s3://bucket/folder" in done.stderr
