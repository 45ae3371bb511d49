"""The encoder that a checkpoint needs is found by one rule, and another one is refused."""

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from q2pt_tasks.model.base import describe_base, find_base
from q2pt_tasks.model.metadata import Base, CheckpointError

WEIGHTS = b"weights of the encoder"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout with an encoder and a model."""
    root = tmp_path / "checkout"
    (root / "models/non_unified/en-US").mkdir(parents=True)
    _write(root, WEIGHTS)
    return root


def _write(folder: Path, weights: bytes) -> Path:
    file = folder / "data/encoder/model.safetensors"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(weights)
    return file


def _model(root: Path) -> Path:
    return root / "models/non_unified/en-US"


def test_the_base_is_named_by_its_path_in_a_checkout_and_its_content(root: Path) -> None:
    md5 = hashlib.md5(WEIGHTS, usedforsecurity=False).hexdigest()
    assert describe_base(root / "data/encoder") == Base(path="data/encoder/model.safetensors", md5=md5)


def test_in_a_checkout_the_base_is_that_of_the_checkout(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = describe_base(root / "data/encoder")
    assert find_base(_model(root), base) == root / base.path
    monkeypatch.chdir(root)
    assert find_base(Path("models/non_unified/en-US"), base) == root / base.path
    monkeypatch.chdir(_model(root))
    assert find_base(Path(), base) == root / base.path


def test_a_champion_has_its_own_although_the_checkout_around_it_has_another(root: Path) -> None:
    champion = root / "build/champion/v3"
    own = _write(champion, b"weights of the champion's encoder")
    model = champion / "non_unified/en-US"
    model.mkdir(parents=True)
    assert find_base(model, describe_base(own.parent)) == own


def test_the_folder_that_is_given_is_read_and_no_other(root: Path, tmp_path: Path) -> None:
    base = describe_base(root / "data/encoder")
    elsewhere = shutil.copytree(root / "data/encoder", tmp_path / "elsewhere")
    assert find_base(tmp_path / "model", base, elsewhere) == elsewhere / "model.safetensors"
    with pytest.raises(CheckpointError, match=r"nowhere/model\.safetensors not found: give the folder"):
        find_base(_model(root), base, tmp_path / "nowhere")


def test_a_missing_base_is_asked_for_with_its_hash(root: Path) -> None:
    base = describe_base(root / "data/encoder")
    shutil.rmtree(root / "data")
    said = rf"no folder above it has .*/encoder/model\.safetensors \(MD5 {base.md5}\): .*`dvc checkout data/encoder`"
    with pytest.raises(CheckpointError, match=said):
        find_base(_model(root), base)


def test_another_base_is_refused_with_both_hashes(root: Path) -> None:
    base = describe_base(root / "data/encoder")
    other = hashlib.md5(b"others", usedforsecurity=False).hexdigest()
    _write(root, b"others")
    with pytest.raises(CheckpointError, match=f"MD5 {base.md5}, but .* has {other}: check out"):
        find_base(_model(root), base)
    with pytest.raises(CheckpointError, match=f"{base.md5}, but .* has {other}"):
        find_base(_model(root), base, root / "data/encoder")


def test_the_file_is_hashed_once_for_twenty_models_and_again_when_it_changes(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    digest = hashlib.file_digest

    def counted(stream, *arguments):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN002, ANN202
        hashed.append(stream.name)
        return digest(stream, *arguments)

    monkeypatch.setattr(hashlib, "file_digest", counted)
    base = describe_base(root / "data/encoder")
    for _ in range(20):
        find_base(_model(root), base)
    assert len(hashed) == 1
    # Of the same size, as a tampered file may be.
    file = _write(root, WEIGHTS[::-1])
    os.utime(file, ns=(0, 1))
    with pytest.raises(CheckpointError, match=base.md5):
        find_base(_model(root), base)
    assert len(hashed) == 2
