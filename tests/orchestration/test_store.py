"""The cache directory: what is there, what is missing, what is damaged, and results that several processes write."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from q2pt_tasks.orchestration.store import DamagedCacheError, MissingObjectError, SharedCache, hash_file

KEY = "ab" + "c" * 62
RESULT = "0" * 64
# Holds a key's results until its stdin is closed.
HOLDER = """
import sys
from pathlib import Path
from q2pt_tasks.orchestration.store import SharedCache
with SharedCache(Path(sys.argv[1])).results(sys.argv[2]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def cache(tmp_path: Path) -> SharedCache:
    return SharedCache(tmp_path / "cache")


def _add(cache: SharedCache, content: str, ending: str = "") -> str:
    """Puts an object into the cache and returns its hash."""
    made = cache.folder / "made"
    made.parent.mkdir(parents=True, exist_ok=True)
    made.write_text(content)
    md5 = hash_file(made) + ending
    cache.path(md5).parent.mkdir(parents=True, exist_ok=True)
    made.rename(cache.path(md5))
    return md5


def _add_directory(cache: SharedCache, files: dict[str, str]) -> str:
    listed = [{"md5": _add(cache, content), "relpath": name} for name, content in files.items()]
    return _add(cache, json.dumps(listed), ".dir")


def test_a_directory_lists_its_files(cache: SharedCache) -> None:
    md5 = _add_directory(cache, {"a": "one", "b/c": "two"})
    files = cache.files({"path": "data", "md5": md5})
    assert list(files) == ["data/a", "data/b/c"]
    assert cache.path(files["data/b/c"]).read_text() == "two"
    single = _add(cache, "alone")
    assert cache.files({"path": "file", "md5": single}) == {"file": single}


def test_what_is_missing_is_named_file_by_file(cache: SharedCache) -> None:
    out = {"path": "data", "md5": _add_directory(cache, {"a": "one", "b": "two"})}
    other = {"path": "file", "md5": _add(cache, "three")}
    assert cache.missing([out, other]) == []
    assert cache.holds([out, other])
    cache.path(cache.files(out)["data/b"]).unlink()
    cache.path(other["md5"]).unlink()
    assert cache.missing([out, other]) == ["data/b", "file"]
    assert not cache.holds([out])
    cache.path(out["md5"]).unlink()
    assert SharedCache(cache.folder).missing([out]) == ["data"]


def test_an_object_that_is_not_there_cannot_be_fetched(cache: SharedCache) -> None:
    with pytest.raises(MissingObjectError, match=f"models/a with the hash {'1' * 32} is not in the DVC cache"):
        cache.fetch({"models/a": "1" * 32})


def test_a_damaged_manifest_is_refused(cache: SharedCache) -> None:
    md5 = _add_directory(cache, {"a": "one"})
    cache.path(md5).write_text("[]")
    with pytest.raises(DamagedCacheError, match=f"has the hash {hash_file(cache.path(md5))} and should have {md5}"):
        cache.manifest(md5)


def test_results_that_a_killed_process_left_unfinished_are_dropped(cache: SharedCache) -> None:
    folder = cache.folder / "runs/ab" / KEY
    folder.mkdir(parents=True)
    (folder / ".x1y2.tmp").write_text("half")
    (folder / RESULT).write_text("whole")
    with cache.results(KEY) as found:
        assert found == folder
        assert [file.name for file in folder.iterdir()] == [RESULT]
    (folder / RESULT).rename(folder / ".x1y2.tmp")
    with cache.results(KEY):
        assert not folder.exists(), "DVC stops at a key without results"


def test_one_process_at_a_time_uses_the_results_of_a_key(cache: SharedCache) -> None:
    arguments = [sys.executable, "-c", HOLDER, str(cache.folder), KEY]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as waiting:
            assert waiting.stdout is not None
            time.sleep(0.5)
            assert waiting.poll() is None
            with cache.results("cd" + KEY[2:]):
                pass
            holder.kill()
            assert waiting.stdout.readline() == "held\n", "a killed process holds nothing"


@pytest.mark.parametrize("md5", ["", "ab", "../../stolen", "//etc/passwd", f"{'0' * 32}.dirs", f"{'0' * 32}\n"])
def test_what_is_no_hash_is_no_path(cache: SharedCache, md5: str) -> None:
    with pytest.raises(DamagedCacheError, match="is no hash of an object"):
        cache.fetch({"data/a": md5})


@pytest.mark.parametrize("name", ["../stolen", "/etc/stolen", "a/../../stolen"])
def test_a_directory_that_lists_files_elsewhere_is_damaged(cache: SharedCache, name: str) -> None:
    """DVC would write them there."""
    md5 = _add_directory(cache, {name: "owned"})
    with pytest.raises(DamagedCacheError, match=r"is no directory's: .* does not lie in the folder"):
        cache.files({"path": "data", "md5": md5})
