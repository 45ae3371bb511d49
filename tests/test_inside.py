"""Names that come from elsewhere stay in their folder."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from q2pt_tasks.inside import ListingError, OutsideError, inside, read_listing

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
