"""An S3 service on a free port of this machine."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest

# Any will do.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "worker",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@contextmanager
def s3_service() -> Iterator[str]:
    """Its URL; it ends when this is left, and what it holds with it."""
    command = [str(Path(sys.executable).parent / "moto_server"), "--host", "127.0.0.1", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        assert server.stdout is not None
        try:
            found = next(filter(None, (re.search(r"http://127\.0\.0\.1:\d+", line) for line in server.stdout)))
            # A line for each request: once a pipe that nobody empties is full, the service stands still.
            threading.Thread(target=server.stdout.read, daemon=True).start()
            yield found[0]
        finally:
            server.kill()


@contextmanager
def s3_bucket(name: str) -> Iterator[str]:
    """The URL of a service with the empty bucket `name`; meanwhile this process has its credentials."""
    with pytest.MonkeyPatch.context() as patch, s3_service() as url:
        for variable, value in CREDENTIALS.items():
            patch.setenv(variable, value)
        boto3.resource("s3", endpoint_url=url).Bucket(name).create()
        yield url
