"""Files of a checkpoint that somebody else wrote: refused in words, each as fuzzing found it."""

import json
from pathlib import Path
from typing import Any

import pytest
from checkpoints import random_checkpoint

from q2pt_tasks.model.checkpoint import load_checkpoint
from q2pt_tasks.model.metadata import CheckpointError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return random_checkpoint(tmp_path / "model")


def _change(file: Path, **values: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | values))


@pytest.mark.parametrize("name", ["metadata.json", "config.json", "tokenizer.json", "tokenizer_config.json"])
@pytest.mark.parametrize("content", [b"null", b"[]", b"7", b'"text"', b"{", b"\xff", b"[" * 100_000])
def test_a_file_that_holds_something_else_is_refused(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(CheckpointError):
        load_checkpoint(folder)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"dim": None}, "width wrongly"),
        ({"dim": 2**40}, "width wrongly"),
        ({"n_layers": 10**9}, "layers wrongly"),
        ({"n_layers": -1}, "layers wrongly"),
        ({"n_heads": 0}, "heads wrongly"),
        ({"vocab_size": "7"}, "tokens wrongly"),
        ({"pad_token_id": [0]}, "pad_token wrongly"),
        ({"activation": ["gelu"]}, "activation wrongly"),
        ({"model_type": ["distilbert"]}, "transformers cannot load it"),
        ({"model_type": "gpt2"}, "transformers finds no weights for"),
        ({"activation": "of somebody"}, "transformers cannot load it"),
        ({"id2label": ["HAT"]}, "does not name the outputs"),
        ({"id2label": {"0": "HAT", "2": "SHOES"}}, "does not name the outputs"),
        ({"q2pt_head": {"layers": 1}}, "does not say all sizes"),
        ({"q2pt_head": 7}, "does not say all sizes"),
    ],
)
def test_a_config_that_says_something_else_is_refused(folder: Path, values: dict[str, Any], words: str) -> None:
    _change(folder / "config.json", **values)
    with pytest.raises(CheckpointError, match=words):
        load_checkpoint(folder)


@pytest.mark.parametrize("token", [None, 7, ["[PAD]"], {"text": "[PAD]"}, "nowhere"])
def test_a_tokenizer_that_names_no_padding_is_refused(folder: Path, token: object) -> None:
    _change(folder / "tokenizer_config.json", pad_token=token)
    with pytest.raises(ValueError, match="the tokenizer"):
        _ = load_checkpoint(folder).tokenizer.pad_token


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"product_types": "HAT"}, "product_types"),
        ({"locales": [7]}, r"locales\.0"),
        ({"base": 7}, "base"),
        ({"ngrams": {"weight": 1}}, "ngrams"),
        ({"base": {"path": "../../../etc/passwd", "md5": "0" * 32}}, "does not lie in the folder"),
        ({"base": {"path": "/etc/passwd", "md5": "0" * 32}}, "does not lie in the folder"),
        ({"max_tokens": "8"}, "max_tokens"),
    ],
)
def test_metadata_that_says_something_else_is_refused(folder: Path, values: dict[str, Any], words: str) -> None:
    _change(folder / "metadata.json", **values)
    with pytest.raises(CheckpointError, match=words):
        load_checkpoint(folder)
