"""Two processes that train together end where one alone does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import training_process
from safetensors.torch import load_file


def _train(folder: Path, model: str, launcher: list[str]) -> str:
    job = {"folder": str(folder), "epochs": 2, "pause": 0.0, "model": model}
    done = subprocess.run(
        [sys.executable, *launcher, training_process.__file__, json.dumps(job)],
        env={**os.environ, "PYTHONPATH": str(Path.cwd()), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        cwd=Path.cwd(),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_two_processes_train_what_one_trains(tmp_path: Path) -> None:
    training_process.prepare(tmp_path, 96)
    _train(tmp_path, "one", [])
    report = _train(tmp_path, "two", ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"])
    assert report.count("trained on 96 queries") == 1
    one, two = (load_file(tmp_path / model / "model.safetensors") for model in ("one", "two"))
    assert one.keys() == two.keys()
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-3, atol=1e-4, msg=name)
