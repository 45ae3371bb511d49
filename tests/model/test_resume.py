"""A training that is killed or stopped at any step goes on, and ends with the weights of one that was not."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
import training_process
from moto.server import ThreadedMotoServer
from safetensors.torch import load_file

from q2pt_tasks.model.adam import Adam, Group
from q2pt_tasks.model.fit import fit
from q2pt_tasks.model.metadata import load_metadata
from q2pt_tasks.model.network import Network
from q2pt_tasks.model.recipe import ObjectiveName
from q2pt_tasks.model.resume import SaveSecondsError, resume_of
from q2pt_tasks.model.state_store import (
    StateBucket,
    StateFolder,
    StatePlaceError,
    StateStore,
    StateStoreError,
    open_state_store,
)
from q2pt_tasks.model.training_state import TrainingState, UnreadableStateError
from q2pt_tasks.model.workers import Workers

QUERIES, EPOCHS = 96, 4
STEPS = EPOCHS * QUERIES // 16


class Training:
    """The same training, as often as a test starts it."""

    def __init__(
        self, folder: Path, environ: Mapping[str, str], objective: ObjectiveName = "binary_cross_entropy"
    ) -> None:
        self.folder = folder
        self.objective = objective
        self._environ = {**os.environ, "PYTHONPATH": str(Path.cwd()), **environ}
        training_process.prepare(folder, QUERIES)

    def start(self, model: str, pause: float = 0.0) -> subprocess.Popen[str]:
        job: dict[str, Any] = {"folder": str(self.folder), "epochs": EPOCHS, "pause": pause, "model": model}
        job["objective"] = self.objective
        command = [sys.executable, training_process.__file__, json.dumps(job)]
        return subprocess.Popen(
            command, env=self._environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path.cwd()
        )

    def run(self, model: str) -> str:
        """Runs it to its end and returns what it logged."""
        process = self.start(model)
        _, log = process.communicate(timeout=120)
        assert process.returncode == 0, log
        return log

    def run_for(self, model: str, steps: int, stop: signal.Signals) -> str:
        process = self.start(model, pause=0.02)
        assert process.stdout is not None
        for _ in range(steps):
            process.stdout.readline()
        process.send_signal(stop)
        _, log = process.communicate(timeout=120)
        assert process.returncode != 0
        return log

    def weights(self, model: str) -> dict[str, torch.Tensor]:
        return load_file(self.folder / model / "model.safetensors")


def _assert_equal(training: Training, first: str, second: str) -> None:
    ours, theirs = training.weights(first), training.weights(second)
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert torch.equal(ours[name], theirs[name]), name
    beside = [training.folder / model / "ngrams.safetensors" for model in (first, second)]
    assert beside[0].read_bytes() == beside[1].read_bytes()
    histories = [load_metadata(training.folder / model).history for model in (first, second)]
    assert histories[0] == histories[1]
    assert len(histories[0]) == EPOCHS


@pytest.mark.chaos("training-killed")
@pytest.mark.slow
@pytest.mark.parametrize(("seed", "objective"), [(1, "binary_cross_entropy"), (2, "softmax"), (3, "sparsemax")])
def test_killed_at_random_steps_it_ends_as_if_it_had_not_been(
    tmp_path: Path, seed: int, objective: ObjectiveName
) -> None:
    training = Training(tmp_path, {"Q2PT_STATE_DIR": str(tmp_path / "state"), "Q2PT_SAVE_SECONDS": "0"}, objective)
    training.run("whole")
    for steps in np.random.default_rng(seed).integers(1, STEPS // 4, 3):
        training.run_for("killed", int(steps), signal.SIGKILL)
    assert "goes on after" in training.run("killed")
    _assert_equal(training, "whole", "killed")
    assert list((tmp_path / "state").iterdir()) == []


@pytest.mark.chaos("training-killed")
@pytest.mark.slow
def test_killed_in_the_n_gram_part_it_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    training = Training(tmp_path, {"Q2PT_STATE_DIR": str(tmp_path / "state"), "Q2PT_SAVE_SECONDS": "0"})
    training.run("whole")
    training.run_for("killed", STEPS + 5, signal.SIGKILL)
    assert f"goes on after {EPOCHS - 1} epochs and" in training.run("killed")
    _assert_equal(training, "whole", "killed")


@pytest.mark.chaos("training-terminated")
@pytest.mark.slow
def test_asked_to_end_it_saves_first_and_a_step_is_not_done_twice(tmp_path: Path) -> None:
    training = Training(tmp_path, {"Q2PT_STATE_DIR": str(tmp_path / "state"), "Q2PT_SAVE_SECONDS": "3600"})
    training.run("whole")
    assert "TrainingStoppedError" in training.run_for("stopped", 8, signal.SIGTERM)
    assert "goes on after 1 epochs and " in training.run("stopped")
    _assert_equal(training, "whole", "stopped")


@pytest.mark.slow
def test_other_params_do_not_take_up_its_state(tmp_path: Path) -> None:
    training = Training(tmp_path, {"Q2PT_STATE_DIR": str(tmp_path / "state"), "Q2PT_SAVE_SECONDS": "0"})
    training.run_for("stopped", 3, signal.SIGKILL)
    training_process.prepare(tmp_path, QUERIES + 16)
    assert "goes on" not in training.run("other")


@pytest.mark.slow
def test_another_objective_does_not_take_up_its_state(tmp_path: Path) -> None:
    environ = {"Q2PT_STATE_DIR": str(tmp_path / "state"), "Q2PT_SAVE_SECONDS": "0"}
    Training(tmp_path, environ).run_for("stopped", 3, signal.SIGKILL)
    assert "goes on" not in Training(tmp_path, environ, "softmax").run("stopped")
    Training(tmp_path, environ).run_for("stopped", 3, signal.SIGKILL)
    assert "goes on" in Training(tmp_path, environ).run("stopped")


@pytest.mark.chaos("state-store-down")
@pytest.mark.slow
def test_a_place_that_cannot_be_reached_means_to_start_over_and_is_said(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where a folder should be")
    training = Training(tmp_path, {"Q2PT_STATE_DIR": str(tmp_path / "state"), "Q2PT_SAVE_SECONDS": "0"})
    log = training.run("model")
    assert "the training goes on without a saved state: " in log
    assert load_metadata(tmp_path / "model").status == "trained"


def _change_last_byte(content: bytes) -> bytes:
    """One of a weight's."""
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.chaos("state-damaged")
@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"damaged",
        lambda content: content[:-1],
        _change_last_byte,
        lambda content: content.replace(b'\\"step\\": 7', b'\\"step\\": 8'),
    ],
    ids=["other bytes", "cut off", "a weight", "its place"],
)
def test_a_damaged_state_means_to_start_over_and_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[bytes], bytes]
) -> None:
    saved = _state(torch.nn.Linear(2, 2))
    saved.step = 7
    saved.save(tmp_path / "whole")
    whole = (tmp_path / "whole").read_bytes()
    assert damage(whole) != whole
    StateFolder(tmp_path / "states").put("key", lambda file: _write(file, damage(whole)))
    resume = resume_of(lambda: "key", Workers.alone(), {"Q2PT_STATE_DIR": str(tmp_path / "states")})
    state = _state(torch.nn.Linear(2, 2))
    before = {name: weight.clone() for name, weight in state.network.state_dict().items()}
    resume.restore(state)
    assert "the training starts over, its state cannot be read" in caplog.text
    assert (state.epochs, state.step) == ([], 0)
    assert all(torch.equal(weight, before[name]) for name, weight in state.network.state_dict().items())


def test_seconds_that_are_none_are_refused(tmp_path: Path) -> None:
    environ = {"Q2PT_STATE_DIR": str(tmp_path), "Q2PT_SAVE_SECONDS": "often"}
    with pytest.raises(SaveSecondsError, match="Q2PT_SAVE_SECONDS is 'often'; set it to a number of seconds"):
        resume_of(lambda: "key", Workers.alone(), environ)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, socket_enabled: None) -> Iterator[str]:  # noqa: ARG001
    """The URL of an empty folder in a bucket of a real S3 server."""
    import boto3

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL_S3": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3").create_bucket(Bucket="states")
    yield "s3://states/trainings"
    server.stop()


def _write(file: Path, content: bytes) -> None:
    file.write_bytes(content)


FIRST, SECOND = "a" * 64, "b" * 64


def _check_store(store: StateStore, tmp_path: Path) -> None:
    file = tmp_path / "fetched"
    assert store.fetch(FIRST, file) is False
    store.put(FIRST, lambda path: _write(path, b"first"))
    store.put(FIRST, lambda path: _write(path, b"second"))
    store.put(SECOND, lambda path: _write(path, b"other"))
    # Whatever else lies there, or below, is not swept.
    store.put("foreign", lambda path: _write(path, b"foreign"))
    store.put("folder/" + SECOND, lambda path: _write(path, b"below"))
    assert store.fetch(FIRST, file) is True
    assert file.read_bytes() == b"second"
    store.sweep(3600)
    assert store.fetch(SECOND, file) is True
    store.remove(FIRST)
    store.remove(FIRST)
    assert store.fetch(FIRST, file) is False
    store.sweep(-1)
    assert store.fetch(SECOND, file) is False
    assert store.fetch("foreign", file) is True
    assert store.fetch("folder/" + SECOND, file) is True


def test_a_folder_keeps_states(tmp_path: Path) -> None:
    store = open_state_store(str(tmp_path / "new/states"))
    assert isinstance(store, StateFolder)
    _check_store(store, tmp_path)


def test_a_bucket_keeps_states(bucket: str, tmp_path: Path) -> None:
    store = open_state_store(bucket)
    assert isinstance(store, StateBucket)
    _check_store(store, tmp_path)


def test_another_kind_of_url_is_refused() -> None:
    with pytest.raises(StatePlaceError, match="cannot lie in 'gs://bucket': give a directory, or s3://bucket/folder"):
        open_state_store("gs://bucket")


def test_a_checkpoint_that_cannot_be_written_costs_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setenv("Q2PT_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("Q2PT_SAVE_SECONDS", "0")
    training_process.prepare(tmp_path, QUERIES)
    job = training_process.job_in(tmp_path, 2)

    def fail(*_: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("q2pt_tasks.model.fit.save_checkpoint", fail)
        with pytest.raises(OSError, match="the disk is full"):
            fit(job, tmp_path / "model")
    fit(job, tmp_path / "model")
    assert "the training goes on after 1 epochs" in caplog.text
    assert list((tmp_path / "state").iterdir()) == []


def test_a_state_of_another_network_changes_nothing(tmp_path: Path) -> None:
    small, large = (torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, width)) for width in (2, 3))
    _state(large).save(tmp_path / "state")
    before = {name: weight.clone() for name, weight in small.state_dict().items()}
    with pytest.raises(UnreadableStateError, match=r"it is of another network: 1.bias, 1.weight differ"):
        _state(small).load(tmp_path / "state")
    assert all(torch.equal(weight, before[name]) for name, weight in small.state_dict().items())


def _state(network: torch.nn.Module) -> TrainingState:
    return TrainingState(cast(Network, network), Adam([Group(list(network.parameters()), 1e-3)]))


def test_a_write_that_fails_leaves_the_old_state(tmp_path: Path) -> None:
    store = StateFolder(tmp_path)
    store.put("a", lambda path: _write(path, b"old"))

    def fail(path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError("the disk is full")

    with pytest.raises(StateStoreError, match="the disk is full"):
        store.put("a", fail)
    assert [file.name for file in tmp_path.iterdir()] == ["a.safetensors"]
    assert (tmp_path / "a.safetensors").read_bytes() == b"old"


@pytest.mark.chaos("state-store-down")
def test_a_server_that_does_not_answer_is_an_error_soon(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    socket_enabled: None,  # noqa: ARG001
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with pytest.raises(StateStoreError):
        StateBucket("s3://states/trainings").fetch("a", tmp_path / "fetched")
