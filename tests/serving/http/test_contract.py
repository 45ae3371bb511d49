"""The service keeps to its own OpenAPI document, whatever is asked."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from checkpoints import random_checkpoint
from http_service import serving

pytestmark = [pytest.mark.slow, pytest.mark.enable_socket]

EXAMPLES = 200


def test_schemathesis_finds_no_answer_that_the_document_does_not_say(tmp_path: Path) -> None:
    with serving(random_checkpoint(tmp_path / "model")) as running:
        options = ["--checks", "all", "--max-examples", str(EXAMPLES), "--seed", "1", "--no-color", "--mode", "all"]
        command = [sys.executable, "-m", "schemathesis.cli", "run"]
        done = subprocess.run(
            [*command, f"{running.url}/openapi.json", *options],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
        assert running.stop() == 0


def test_the_document_names_every_path_and_shows_how_to_ask(tmp_path: Path) -> None:
    with serving(random_checkpoint(tmp_path / "model")) as running:
        document = httpx.get(f"{running.url}/openapi.json").json()
        assert set(document["paths"]) == {"/predict", "/predict/batch", "/model", "/healthz", "/readyz", "/metrics"}
        for path, name in (("/predict", "Question"), ("/predict/batch", "Questions")):
            for example in document["components"]["schemas"][name]["examples"]:
                assert httpx.post(f"{running.url}{path}", json=example).status_code == 200
