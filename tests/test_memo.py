"""What earlier runs computed: found by what it was computed from, checked, and never missed where it is gone."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from s3_service import CREDENTIALS, s3_service

from q2pt_tasks import memo as module
from q2pt_tasks.memo import NOTHING, Key, Memo, MemoPlaceError, memo_of


@pytest.fixture(params=["folder", "bucket"])
def place(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    socket_enabled: None,  # noqa: ARG001
) -> Iterator[str]:
    """An empty place of each kind."""
    if request.param == "folder":
        yield str(tmp_path / "place")
        return
    import boto3

    with s3_service() as url:
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL_S3": url}.items():
            monkeypatch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket="states")
        yield "s3://states/q2pt"


class Maker:
    """Makes two files, and counts how often."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, folder: Path) -> None:
        self.made += 1
        (folder / "one").write_bytes(b"1" * 100_000)
        (folder / "two").write_text("2")


def fill(memo: Memo, key: str, folder: Path, make: Callable[[Path], None]) -> dict[str, int]:
    memo.fill(lambda: {"key": key}, folder, make)
    return {file.name: file.stat().st_size for file in sorted(folder.iterdir())}


FILES = {"one": 100_000, "two": 1}
# Dies when the files of an entry are there, and its listing is not.
KILLED = """
import os, signal, sys
from pathlib import Path
from q2pt_tasks import memo
files = type(memo._open(sys.argv[1])[0])
files.pipe_file = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
memo.Memo(sys.argv[1]).keep({"key": "a"}, [Path(sys.argv[2])])
"""


def test_the_same_is_made_once_and_something_else_again(place: str, tmp_path: Path) -> None:
    make, memo = Maker(), Memo(place)
    assert fill(memo, "a", tmp_path / "1", make) == FILES
    assert fill(memo, "b", tmp_path / "2", make) == FILES
    assert make.made == 2
    # Another run of another process.
    assert fill(Memo(place), "a", tmp_path / "3", make) == FILES
    assert make.made == 2


def test_what_nobody_asks_for_is_swept_and_nothing_else(place: str, tmp_path: Path) -> None:
    make, memo = Maker(), Memo(place)
    fill(memo, "a", tmp_path / "1", make)
    (tmp_path / "mine").write_text("of another")
    module._open(place)[0].put_file(str(tmp_path / "mine"), f"{module._open(place)[1]}/mine/listing.json")
    memo.sweep()
    fill(memo, "a", tmp_path / "2", make)
    assert make.made == 1
    memo.sweep(-1)
    fill(memo, "a", tmp_path / "3", make)
    assert make.made == 2
    assert module._open(place)[0].exists(f"{module._open(place)[1]}/mine/listing.json")


@pytest.mark.chaos("memo-damaged")
def test_what_a_killed_run_has_left_without_a_listing_is_swept_when_it_is_old(place: str, tmp_path: Path) -> None:
    (tmp_path / "queries").write_text("of shoppers")
    killed = subprocess.run([sys.executable, "-c", KILLED, place, str(tmp_path / "queries")], check=False)
    assert killed.returncode == -signal.SIGKILL
    files, root = module._open(place)
    (left,) = files.find(root)
    # As long as it is young, another run may be writing it.
    Memo(place).sweep(60)
    assert files.find(root) == [left]
    Memo(place).sweep(-1)
    assert files.find(root) == []


def test_an_entry_is_as_old_as_its_youngest_file(tmp_path: Path) -> None:
    fill(Memo(str(tmp_path / "place")), "a", tmp_path / "1", Maker())
    (entry,) = (tmp_path / "place/days").iterdir()
    for file in sorted(entry.iterdir()):
        assert entry.exists()
        os.utime(file, (0, 0))
        Memo(str(tmp_path / "place")).sweep()
    assert not entry.exists()


def test_other_code_makes_it_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make, memo = Maker(), Memo(str(tmp_path / "place"))
    fill(memo, "a", tmp_path / "1", make)
    monkeypatch.setattr(module, "_code", lambda: "other")
    fill(memo, "a", tmp_path / "2", make)
    assert make.made == 2


@pytest.mark.chaos("memo-damaged")
@pytest.mark.parametrize("name", ["one", "listing.json"])
@pytest.mark.parametrize("damage", ["cut", "gone", "changed"])
def test_what_is_damaged_is_made_again(tmp_path: Path, name: str, damage: str) -> None:
    make, memo = Maker(), Memo(str(tmp_path / "place"))
    fill(memo, "a", tmp_path / "1", make)
    file = next((tmp_path / "place").rglob(name))
    content = file.read_bytes()
    file.write_bytes(content[:-5] if damage == "cut" else content.replace(b"1", b"3").replace(b"two", b"owt"))
    if damage == "gone":
        file.unlink()
    for number in (2, 3):
        assert fill(memo, "a", tmp_path / str(number), make) == FILES
        assert (tmp_path / str(number) / "one").read_bytes() == b"1" * 100_000
        assert make.made == 2


@pytest.mark.parametrize("name", ["../stolen", "/stolen", "..", "a/b", ""])
def test_a_listing_that_names_files_elsewhere_is_none(tmp_path: Path, name: str) -> None:
    """Who may write to the place must not write anywhere else on the machine that reads it."""
    make, memo = Maker(), Memo(str(tmp_path / "place"))
    fill(memo, "a", tmp_path / "1", make)
    listing = next((tmp_path / "place").rglob("listing.json"))
    planted = listing.parent.parent / "stolen"
    planted.write_text("of somebody")
    listing.write_text(json.dumps({name: module.hash_of(planted)}))
    assert fill(memo, "a", tmp_path / "2", make) == FILES
    assert make.made == 2
    assert not (tmp_path / "stolen").exists()


@pytest.mark.parametrize("text", ["{}", "[]", "null", '{"one": 1}', '{"one": "no hash"}', "[" * 100_000, "\xff"])
def test_what_is_no_listing_is_none(tmp_path: Path, text: str) -> None:
    """Of an empty one a day would come out without its rows."""
    make, memo = Maker(), Memo(str(tmp_path / "place"))
    fill(memo, "a", tmp_path / "1", make)
    next((tmp_path / "place").rglob("listing.json")).write_text(text, encoding="latin-1")
    assert fill(memo, "a", tmp_path / "2", make) == FILES
    assert make.made == 2


@pytest.mark.chaos("memo-damaged")
@pytest.mark.parametrize("kind", ["folder", "service"])
def test_a_place_that_cannot_be_reached_is_told_of_once_and_costs_the_time_alone(
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    socket_enabled: None,  # noqa: ARG001
) -> None:
    (tmp_path / "file").write_text("no folder")
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"}.items():
        monkeypatch.setenv(name, value)
    make, memo = Maker(), Memo(str(tmp_path / "file") if kind == "folder" else "s3://states/q2pt")
    for number in range(3):
        assert fill(memo, "a", tmp_path / str(number), make) == FILES
    memo.sweep()
    assert make.made == 3
    assert len([record for record in caplog.records if "all is computed again" in record.message]) == 1


@pytest.mark.chaos("memo-damaged")
def test_days_that_find_the_place_gone_at_once_tell_of_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    together = threading.Barrier(2, timeout=30)

    def fail(*_: object) -> bool:
        together.wait()
        raise PermissionError("locked")

    monkeypatch.setattr(module, "_bring", fail)
    memo = Memo(str(tmp_path / "place"))
    with ThreadPoolExecutor(2) as pool:
        recalled = list(pool.map(lambda day: memo.recall({"key": day}, tmp_path / day), "ab"))
    assert recalled == [False, False]
    assert len([record for record in caplog.records if "all is computed again" in record.message]) == 1


@pytest.mark.chaos("memo-damaged")
def test_a_place_that_is_gone_while_a_key_asks_for_another_result_costs_the_time_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    make, memo = Maker(), Memo(str(tmp_path / "file"))

    def key() -> Key:
        return {"of": sorted(fill(memo, "another", tmp_path / "other", make))}

    memo.fill(key, tmp_path / "own", make)
    assert make.made == 2
    assert {file.name: file.stat().st_size for file in (tmp_path / "own").iterdir()} == FILES


def test_without_a_place_nothing_is_remembered_and_no_key_is_asked_for(tmp_path: Path) -> None:
    make = Maker()
    for number in range(2):
        NOTHING.fill(lambda: pytest.fail("asked"), tmp_path / str(number), make)
    assert make.made == 2
    assert memo_of({}).recall({"key": "a"}, tmp_path / "other") is False


def test_another_kind_of_url_is_refused() -> None:
    with pytest.raises(MemoPlaceError, match="Q2PT_STATE_DIR cannot be 'gs://bucket': give a directory, or s3://"):
        memo_of({**os.environ, "Q2PT_STATE_DIR": "gs://bucket"})
