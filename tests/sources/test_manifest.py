import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from q2pt_tasks.sources.manifest import (
    SourceError,
    SourceManifest,
    describe_files,
    locate,
    read_manifest,
    verify_file,
    verify_files,
    window,
    write_manifest,
)

FILE = {"path": "log/a.csv", "size": 3, "md5": "0" * 32}
MANIFEST: dict[str, Any] = {"source": "events", "last_day": "2026-06-30", "files": [FILE]}


def test_a_manifest_survives_writing_and_reading_with_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    for name in ("b.csv", "a.csv"):
        (tmp_path / "log" / name).write_text(name)
    files = describe_files(tmp_path, "log", (tmp_path / "log").iterdir())
    manifest = SourceManifest("events", date(2026, 6, 30), files)
    write_manifest(manifest, tmp_path / "source.json")
    text = (tmp_path / "source.json").read_text()
    assert read_manifest(tmp_path / "source.json") == manifest
    assert [file.path for file in files] == ["log/a.csv", "log/b.csv"]
    assert text.startswith('{\n  "files": [')
    assert text.endswith("}\n")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: {**m, "owner": "me"}, "owner: Unexpected keyword argument, found 'me'"),
        (lambda m: {**m, "last_day": "30.06.2026"}, "last_day: Input should be a valid date"),
        (lambda m: {**m, "files": [{**FILE, "size": -1}]}, "files.0.size: Input should be greater than or equal to 0"),
        (lambda m: {**m, "files": [{**FILE, "size": "3"}]}, "files.0.size: Input should be a valid integer"),
        (lambda m: {**m, "files": [{**FILE, "md5": "abc"}]}, "files.0.md5: String should match"),
        (lambda m: {**m, "files": [{**FILE, "etag": "x"}]}, "files.0.etag: Unexpected keyword argument"),
        (lambda m: {"source": m["source"]}, "last_day: Field required"),
        (lambda m: [m], "the file: Input should be"),
    ],
)
def test_a_manifest_that_says_something_else_is_refused_by_key(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    path = tmp_path / "source.json"
    path.write_text(json.dumps(change(MANIFEST)))
    with pytest.raises(SourceError) as error:
        read_manifest(path)
    assert str(path) in str(error.value)
    assert said in str(error.value)
    assert "run `q2pt resolve` again" in str(error.value)


def test_a_manifest_that_is_missing_or_no_json_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"source.json not found: run `q2pt resolve`"):
        read_manifest(tmp_path / "source.json")
    (tmp_path / "source.json").write_text("<<<<<<< HEAD")
    with pytest.raises(SourceError, match=r"no manifest of a source: the file: Invalid JSON.*run `q2pt resolve` again"):
        read_manifest(tmp_path / "source.json")


@pytest.mark.parametrize("content", ["other", "longer than before"])
def test_a_file_that_changed_since_it_was_resolved_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text("first")
    (file,) = describe_files(tmp_path, "a.csv", [path])
    assert verify_file(file, tmp_path) == path
    path.write_text(content)
    with pytest.raises(SourceError, match=r"a\.csv has changed since it was resolved: run `q2pt resolve` again"):
        verify_file(file, tmp_path)
    path.unlink()
    with pytest.raises(SourceError, match=r"a\.csv is gone since it was resolved: put it back, or run `q2pt resolve`"):
        verify_file(file, tmp_path)


def test_of_several_changed_files_the_first_is_named(tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.csv" for name in "abcdefgh"]
    for path in paths:
        path.write_text(path.name)
    manifest = SourceManifest("events", date(2026, 6, 30), describe_files(tmp_path, str(tmp_path), paths))
    assert list(verify_files(manifest, tmp_path)) == paths
    for changed in paths[3:]:
        changed.write_text("other")
    with pytest.raises(SourceError, match=r"d\.csv has changed since it was resolved"):
        verify_files(manifest, tmp_path)


def test_an_absolute_place_stays_absolute_so_that_a_clone_finds_it(tmp_path: Path) -> None:
    path = tmp_path / "log" / "a.csv"
    path.parent.mkdir()
    path.write_text("first")
    (file,) = describe_files(tmp_path, str(path.parent), [path])
    assert file.path == str(path)
    assert verify_file(file, tmp_path / "clone") == path


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"gone\.csv cannot be read \(No such file or directory\)"):
        describe_files(tmp_path, "gone.csv", [tmp_path / "gone.csv"])


@given(last_day=st.dates(min_value=date(1990, 1, 1)), days=st.integers(1, 400))
def test_a_window_has_as_many_days_as_asked_and_ends_with_its_last(last_day: date, days: int) -> None:
    found = window(last_day, days)
    assert found.last_day == last_day
    assert (found.last_day - found.first_day).days == days - 1


@pytest.mark.parametrize("name", ["a" * 3000, "~nobody-of-this-name/log", "a\0b", "a/" * 3000])
def test_a_path_that_no_file_can_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError, match="cannot be a path here"):
        locate(tmp_path, name)
