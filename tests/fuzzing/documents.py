"""Readers of files that other processes wrote: releases, manifests, locks, listings, checkpoints."""

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from checkpoints import random_checkpoint
from fuzzing.strategies import (
    changed,
    damaged,
)
from fuzzing.target import Target, folder, own_errors
from hypothesis import strategies as st

from q2pt_tasks.inside import read_listing
from q2pt_tasks.memo import Memo, hash_of
from q2pt_tasks.model.champion import parse_champion
from q2pt_tasks.model.checkpoint import load_checkpoint
from q2pt_tasks.model.metadata import load_metadata
from q2pt_tasks.orchestration.lock import read_lock
from q2pt_tasks.orchestration.results import outs_of
from q2pt_tasks.registry.named import outputs_of
from q2pt_tasks.serving.manifest import InputFile, from_json, plan, to_json
from q2pt_tasks.sources.encoder_files import read_encoder_manifest
from q2pt_tasks.sources.judgements import read_judged_rows
from q2pt_tasks.sources.manifest import read_manifest

_HASH = f"{'0' * 32}.dir"
_RELEASE = {
    "version": "v2",
    "created": "2026-11-30T02:00:00+00:00",
    "run": "scheduled__2026",
    "commit": "c" * 40,
    "by": "a person",
    "why": "It is better.",
    "variant": "unified_aware",
    "last_day": "2026-11-29",
    "judged_against": None,
    "figures": {"micro_recall": 0.6},
    "checkpoints": [
        {
            "variant": "unified_aware",
            "since": "v1",
            "model": _HASH,
            "encoder": None,
            "hash": "0",
            "locales": ["en-US"],
            "others": True,
        }
    ],
    "store": {"url": "s3://bucket", "endpoint": None},
    "golden": [],
}
_SOURCE = {"source": "events", "last_day": "2026-06-30", "files": [{"path": "a", "size": 1, "md5": "0" * 32}]}
_ENCODER = {"name": "a/b", "revision": "main", "commit": None, "files": _SOURCE["files"]}
_JUDGEMENTS = {"file": {"path": "a", "size": 1, "md5": "0" * 32}}
_LOCK: Mapping[str, Any] = {
    "schema": "2.0",
    "stages": {"a": {"cmd": "a", "outs": [{"path": "a", "md5": "0" * 32, "size": 1}]}},
}
_LISTING = [{"relpath": "a/b", "md5": "0" * 32}]
_MANIFEST = json.loads(to_json(plan("0" * 32, 2, [InputFile("a.parquet", 10, "a" * 32, 5)])))


def _document(name: str, read: Callable[[Path], object], good: Any) -> Target:  # noqa: ANN401
    """A file of JSON that is changed, and damaged."""

    def check(content: bytes) -> None:
        with folder() as root, own_errors():
            (root / name).write_bytes(content)
            read(root / name)

    content = json.dumps(good).encode()
    return Target(name, changed(good).map(lambda found: json.dumps(found).encode()) | damaged(content), check)


def _text(read: Callable[[str], object]) -> Callable[[Path], object]:
    def of_file(file: Path) -> object:
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            return None  # git and DVC have text
        return read(text)

    return of_file


def _recall(listing: Path) -> None:
    """What an earlier night left, with another listing."""
    memo, key, recalled = Memo(str(listing.parent / "place")), {"key": "a"}, listing.parent / "recalled"
    kept = listing.parent / "file"
    kept.write_bytes(Path(__file__).read_bytes())
    memo.keep(key, [kept])
    next((listing.parent / "place").rglob("listing.json")).write_bytes(listing.read_bytes())
    before = set(listing.parent.rglob("*"))
    if memo.recall(key, recalled):
        assert (recalled / "file").read_bytes() == kept.read_bytes()
    assert all(path.is_relative_to(recalled) for path in set(listing.parent.rglob("*")) - before)


@cache
def _checkpoint() -> Mapping[str, bytes]:
    with folder() as root:
        random_checkpoint(root)
        return {file.name: file.read_bytes() for file in root.iterdir()}


def _checkpoint_files(found: tuple[str, bytes]) -> None:
    """A checkpoint of which one file is another's, or damaged."""
    name, content = found
    with folder() as root, own_errors():
        for file, good in _checkpoint().items():
            (root / file).write_bytes(content if file == name else good)
        load_metadata(root)
        load_checkpoint(root)


@st.composite
def _one_bad_file(draw: st.DrawFn) -> tuple[str, bytes]:
    name = draw(st.sampled_from(sorted(_checkpoint())))
    good = _checkpoint()[name]
    if name.endswith(".json") and draw(st.booleans()):
        return name, json.dumps(draw(changed(json.loads(good)))).encode()
    return name, draw(damaged(good))


TARGETS = (
    Target("checkpoint", st.deferred(_one_bad_file), _checkpoint_files),
    _document("release.json", _text(parse_champion), _RELEASE),
    _document("source.json", read_manifest, _SOURCE),
    _document("judgements.json", lambda file: read_judged_rows("a", file.parent, file), _JUDGEMENTS),
    _document("encoder.json", read_encoder_manifest, _ENCODER),
    _document("dvc.lock", read_lock, _LOCK),
    _document("dvc.lock of a commit", _text(lambda text: outputs_of(text, "dvc.lock")), _LOCK),
    _document("listing of a directory", _text(read_listing), _LISTING),
    _document("_predict.json", _text(from_json), _MANIFEST),
    _document("result of DVC's run-cache", outs_of, _LOCK["stages"]["a"]),
    _document("listing of an earlier night", _recall, {"file": hash_of(Path(__file__))}),
)
