"""What a cache directory has, and what is removed from it."""

import hashlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from q2pt_tasks.registry.objects import StoreError
from q2pt_tasks.registry.release import Store
from q2pt_tasks.registry.stored import PrunedStore

KEY = "ab" + "0" * 62
OLD = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2026, 2, 1, tzinfo=UTC)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / KEY[:2] / KEY
    folder.mkdir(parents=True)
    for digit in "12":
        (folder / (digit * 64)).write_text(f"cmd: x\nouts:\n- path: out\n  md5: {digit * 32}\n")
    _used(folder, OLD)
    return tmp_path


def _used(folder: Path, when: datetime) -> None:
    for path in (*folder.iterdir(), folder):
        os.utime(path, (when.timestamp(), when.timestamp()))


def test_results_of_one_key_go_together_and_leave_no_folder(cache: Path) -> None:
    store = PrunedStore(Store(str(cache)))
    results = store.results()
    assert {(one.key, one.value) for one in results} == {(KEY, "1" * 64), (KEY, "2" * 64)}
    assert {stored.modified for stored in results.values()} == {OLD}
    store.remove_results(results, LATER)
    assert not (cache / "runs" / KEY[:2] / KEY).exists()


def test_one_that_goes_alone_leaves_the_other_as_old_as_it_was(cache: Path) -> None:
    store = PrunedStore(Store(str(cache)))
    store.remove_results([one for one in store.results() if one.value == "1" * 64], LATER)
    ((left, stored),) = store.results().items()
    assert (left.value, stored.modified) == ("2" * 64, OLD)


def test_what_was_used_since_stays(cache: Path) -> None:
    store = PrunedStore(Store(str(cache)))
    results = store.results()
    _used(cache / "runs" / KEY[:2] / KEY, LATER)
    store.remove_results(results, LATER)
    assert store.results().keys() == results.keys()


def test_what_a_killed_process_left_is_no_result(cache: Path) -> None:
    (cache / "runs" / KEY[:2] / KEY / "unfinished").write_text("outs: [")
    assert len(PrunedStore(Store(str(cache))).results()) == 2


LISTING = json.dumps([{"md5": "1" * 32, "relpath": "model"}])


@pytest.mark.chaos("cache-damaged")
@pytest.mark.parametrize("text", ["damaged", "[]", "{}", LISTING.replace("1" * 32, "2" * 32)])
def test_a_damaged_manifest_is_named(cache: Path, text: str) -> None:
    """One with a wrong digit would have the file removed that it should keep."""
    md5 = hashlib.md5(LISTING.encode(), usedforsecurity=False).hexdigest() + ".dir"
    manifest = cache / "files/md5" / md5[:2] / md5[2:]
    manifest.parent.mkdir(parents=True)
    manifest.write_text(LISTING)
    assert PrunedStore(Store(str(cache))).files(md5) == {"1" * 32}
    manifest.write_text(text)
    store = PrunedStore(Store(str(cache)))
    (md5,) = store.objects()
    with pytest.raises(StoreError, match=rf"the manifest {manifest} is damaged"):
        store.files(md5)
