"""The encoder's files come into the run as they were resolved, or not at all."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tiny import tiny_project

from q2pt_tasks.layout import Layout
from q2pt_tasks.model.encoder import EncoderNotResolvedError, read_encoder
from q2pt_tasks.params_edit import edit_params
from q2pt_tasks.sources.manifest import SourceError
from q2pt_tasks.sources.resolve import resolve
from q2pt_tasks.stages import encoder

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {
    "config.json": "{}",
    "model.safetensors": "weights",
    "tokenizer.json": "pieces",
    "vocab.txt": "words",
    "sentencepiece.bpe.model": "pieces of another kind",
}
OTHERS = {
    "pytorch_model.bin": "a pickle",
    "modeling.py": "code",
    "onnx/model.onnx": "weights of another format",
    "onnx/config.json": "its config",
    ".cache/lock": "",
}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return tiny_project(tmp_path)


def _write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def _resolve(layout: Layout, name: str) -> None:
    edit_params(layout.params, {"encoder.name": name})
    resolve(layout)


def _texts(layout: Layout) -> dict[str, str]:
    return {str(file.relative_to(layout.encoder)): file.read_text() for file in layout.encoder.rglob("*")}


def _note(name: str, commit: str | None = None) -> dict[str, Any]:
    return {"name": name, "revision": "main", "commit": commit}


def _in_a_folder(layout: Layout, files: dict[str, str] | None = None) -> Path:
    """An encoder below the project's root that was resolved."""
    folder = _write(layout.root / "mine/e5", FILES | OTHERS if files is None else files)
    _resolve(layout, "./mine/e5")
    return folder


def test_scratch_leaves_a_note_that_there_are_no_files(layout: Layout) -> None:
    _resolve(layout, "scratch")
    assert str(encoder.main(layout)) == "scratch, 0 files of 0.0 MiB"
    assert list(_texts(layout)) == ["resolved.json"]
    assert json.loads(_texts(layout)["resolved.json"]) == _note("scratch")
    assert read_encoder(layout).is_scratch


def test_config_safetensors_and_tokenizer_of_a_folder_are_taken_and_nothing_else(layout: Layout) -> None:
    _in_a_folder(layout)
    report = encoder.main(layout)
    assert (report.name, report.files, report.size) == ("./mine/e5", len(FILES), sum(map(len, FILES.values())))
    texts = _texts(layout)
    assert json.loads(texts.pop("resolved.json")) == _note("./mine/e5")
    assert texts == FILES


def test_the_trainings_do_not_miss_the_folder(layout: Layout) -> None:
    folder = _in_a_folder(layout)
    encoder.main(layout)
    shutil.rmtree(folder)
    assert read_encoder(layout).name == "./mine/e5"


@pytest.mark.parametrize(("files", "kept"), [({"model.safetensors.index.json": "{}"}, True), ({}, False)])
def test_weights_in_several_files_are_taken_by_their_index(layout: Layout, files: dict[str, str], kept: bool) -> None:
    shards = {"config.json": "{}", "model-00001-of-00002.safetensors": "1", "model-00002-of-00002.safetensors": "2"}
    _in_a_folder(layout, shards | files)
    if kept:
        encoder.main(layout)
        assert _texts(layout).keys() == {*shards, *files, "resolved.json"}
    else:
        with pytest.raises(SourceError, match=r"has no model\.safetensors or model\.safetensors\.index\.json"):
            encoder.main(layout)


def test_weights_that_are_pickled_are_refused_with_what_to_do(layout: Layout) -> None:
    _in_a_folder(layout, {"config.json": "{}", "pytorch_model.bin": "a pickle"})
    with pytest.raises(SourceError, match=r"no model\.safetensors.*found config\.json, pytorch_model\.bin.*save_pretr"):
        encoder.main(layout)
    assert not layout.encoder.exists()


def test_a_file_that_was_changed_is_refused_and_the_copy_of_before_stays(layout: Layout) -> None:
    folder = _in_a_folder(layout)
    encoder.main(layout)
    before = _texts(layout)
    (folder / "model.safetensors").write_text("tampered")
    with pytest.raises(SourceError, match=r"model\.safetensors has changed since it was resolved"):
        encoder.main(layout)
    assert _texts(layout) == before


def test_a_file_that_is_gone_is_missed(layout: Layout) -> None:
    (_in_a_folder(layout) / "tokenizer.json").unlink()
    with pytest.raises(SourceError, match=r"tokenizer\.json is gone since it was resolved"):
        encoder.main(layout)


def test_a_file_that_came_later_waits_for_the_next_resolve(layout: Layout) -> None:
    (_in_a_folder(layout) / "added_tokens.json").write_text("{}")
    encoder.main(layout)
    assert "added_tokens.json" not in _texts(layout)


def test_what_another_encoder_left_goes(layout: Layout) -> None:
    _in_a_folder(layout)
    encoder.main(layout)
    _resolve(layout, "scratch")
    encoder.main(layout)
    assert list(_texts(layout)) == ["resolved.json"]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a model of the hub, as the hub's client keeps it; there is no hub."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    model = tmp_path / "hub/models--owner--encoder"
    _write(model, {"refs/main": COMMIT})
    return _write(model / "snapshots" / COMMIT, FILES | OTHERS)


def test_a_model_of_the_hub_is_taken_at_the_resolved_commit(layout: Layout, hub: Path) -> None:
    _resolve(layout, "owner/encoder")
    # The branch has moved on since.
    (hub.parent.parent / "refs/main").write_text("f" * 40)
    encoder.main(layout)
    texts = _texts(layout)
    assert json.loads(texts.pop("resolved.json")) == _note("owner/encoder", COMMIT)
    assert texts == FILES
    assert read_encoder(layout).revision == COMMIT


def test_a_model_that_the_hub_does_not_give_any_more_is_refused(layout: Layout, hub: Path) -> None:
    _resolve(layout, "owner/encoder")
    shutil.rmtree(hub.parent)
    with pytest.raises(SourceError, match=rf"'owner/encoder' \(revision '{COMMIT}'\) cannot be had"):
        encoder.main(layout)


def test_an_encoder_changed_after_it_was_resolved_is_refused(layout: Layout) -> None:
    _resolve(layout, "scratch")
    edit_params(layout.params, {"encoder.name": "owner/other"})
    with pytest.raises(EncoderNotResolvedError, match=r"'owner/other' at 'main', but .* 'scratch' .* `q2pt resolve`"):
        encoder.main(layout)


def test_trainings_refuse_the_files_of_another_encoder(layout: Layout) -> None:
    _resolve(layout, "scratch")
    encoder.main(layout)
    edit_params(layout.params, {"encoder.revision": "v2"})
    with pytest.raises(EncoderNotResolvedError, match=r"at 'v2', but .*data/encoder holds 'scratch' at 'main': run"):
        read_encoder(layout)


def test_without_the_stage_there_is_no_encoder(layout: Layout) -> None:
    with pytest.raises(EncoderNotResolvedError, match=r"resolved\.json not found: run the stage encoder"):
        read_encoder(layout)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, r"encoder\.json not found: run `q2pt resolve`"),
        ("{", "does not say what was resolved: .*Invalid JSON"),
        ('{"name": "scratch"}', "does not say what was resolved: revision: Field required"),
    ],
)
def test_a_manifest_that_says_nothing_is_refused(layout: Layout, text: str | None, said: str) -> None:
    _resolve(layout, "scratch")
    layout.encoder_manifest.unlink() if text is None else layout.encoder_manifest.write_text(text)
    with pytest.raises(EncoderNotResolvedError, match=said):
        encoder.main(layout)
