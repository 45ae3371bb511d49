"""Names that come from elsewhere stay in their folder."""

import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from q2pt_tasks.inside import ListingError, OutsideError, StrangeFileError, files_below, inside, read_listing

MD5 = "0" * 32
ATTACKS = [
    "../x",
    "a/../../x",
    "a/..",
    "..",
    "/etc/passwd",
    "//host/share",
    "",
    ".",
    "./",
    "a\0b",
]


@pytest.mark.parametrize("name", ATTACKS)
def test_a_name_that_leads_elsewhere_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(OutsideError, match="does not lie in the folder"):
        inside(tmp_path, name)
    with pytest.raises(ListingError):
        read_listing(json.dumps([{"relpath": name, "md5": MD5}]))


@pytest.mark.parametrize("name", ["a", "a/b.txt", "..a", "a..b/c", "~root", "ü/日本", "./a", "a//b", "..."])
def test_a_name_below_the_folder_is_taken(name: str, tmp_path: Path) -> None:
    assert inside(tmp_path, name).resolve().is_relative_to(tmp_path.resolve())
    assert read_listing(json.dumps([{"relpath": name, "md5": MD5}])) == {name: MD5}


@given(st.text("./\\~a\0 \n", max_size=12))
def test_whatever_is_taken_lies_in_the_folder(name: str) -> None:
    folder = Path("/srv/q2pt")
    try:
        found = inside(folder, name)
    except OutsideError:
        return
    assert found != folder
    assert found.resolve().is_relative_to(folder)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "{}",
        "[1]",
        '[{"relpath": "a"}]',
        '[{"md5": "a"}]',
        '[{"relpath": 1, "md5": 2}]',
        '[{"relpath": "a", "md5": "../../x"}]',
        "[" * 100_000,
    ],
)
def test_what_is_no_listing_is_refused(text: str) -> None:
    with pytest.raises(ListingError, match="no list of files"):
        read_listing(text)


def test_a_file_that_is_listed_twice_is_refused() -> None:
    listed = [{"relpath": "a", "md5": MD5}, {"relpath": "a", "md5": "1" * 32}]
    with pytest.raises(ListingError, match="twice"):
        read_listing(json.dumps(listed))


@pytest.mark.parametrize("inner", ["", "2026"])
def test_a_folder_that_may_be_listed_and_not_entered_is_named(inner: str) -> None:
    # Not below pytest's folder, where root alone may look.
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        folder = root / "log" / inner
        folder.mkdir(parents=True)
        (folder / "rows.csv").touch()
        folder.chmod(0o744)
        try:
            os.seteuid(65534 if os.geteuid() == 0 else os.geteuid())
            with pytest.raises(
                StrangeFileError, match=r"rows\.csv cannot be read \(Permission denied\): correct its rights"
            ):
                list(files_below(root / "log"))
        finally:
            os.seteuid(os.getuid())
            folder.chmod(0o755)


def test_a_file_that_vanishes_meanwhile_is_no_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "walk", lambda folder, onerror: [(folder, [], ["gone.csv"])])  # noqa: ARG005
    with pytest.raises(StrangeFileError, match=r"gone\.csv vanished while it was looked for: run this again"):
        list(files_below(tmp_path))


@pytest.mark.parametrize(
    ("target", "said"), [("nothing", "to nothing"), ("loop", "to nothing"), (".", "to a folder"), ("..", "to a folder")]
)
def test_a_link_that_is_not_followed_is_named(tmp_path: Path, target: str, said: str) -> None:
    (tmp_path / "loop").symlink_to(target)
    with pytest.raises(StrangeFileError, match=rf"loop is a symbolic link {said}.*: put the files themselves there"):
        list(files_below(tmp_path))


def test_a_name_is_shown_on_one_line(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "rows\x1b[2J\nall is well.csv")
    with pytest.raises(StrangeFileError, match=r"rows␛\[2J␊all is well\.csv is neither a file nor a folder"):
        list(files_below(tmp_path))
