import gzip
import os
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from event_files import DAY, HEADER, ROW, csv_row, events, read, write_parquet, write_text

from q2pt_tasks.data.schema import CATALOG, EVENTS
from q2pt_tasks.sources.events import (
    EventsParams,
    ignored_columns,
    list_event_files,
    newest_day,
    read_batches,
    read_catalog,
)
from q2pt_tasks.sources.manifest import SourceError

PARAMS = EventsParams(path="log", catalog="catalog.csv")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    (tmp_path / "log").mkdir()
    (tmp_path / "catalog.csv").write_text("product_id,locale,product_type\np1,en-GB,SHOES\n")
    return tmp_path


HOSTILE = events(
    {"clicks": -4},
    {"locale": "../../etc"},
    {"locale": None},
    {"query": "nul\x00nul"},
    {"query": "x" * 1_000_000},
    {"query": "👟🏃🏽‍♀️"},
    {"query": 'say "hi", shoes\nand more'},
    {"query": "null"},
    {"query": ""},
    {"event_date": None},
    {"event_date": date(1, 1, 1)},
    {"clicks": None},
    {"impressions": 2**63 - 1},
)


def test_rows_that_a_validation_must_catch_come_through_parquet_as_they_are(tmp_path: Path) -> None:
    assert read(write_parquet(tmp_path, HOSTILE)) == HOSTILE


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_rows_that_a_validation_must_catch_come_through_csv_as_they_are(tmp_path: Path, name: str) -> None:
    with pa.output_stream(str(tmp_path / name), compression="detect") as stream:
        pa.csv.write_csv(HOSTILE, stream)
    # CSV knows no null text: the missing locale is an empty one there.
    locales = ["" if locale is None else locale for locale in HOSTILE["locale"].to_pylist()]
    expected = HOSTILE.set_column(1, "locale", pa.array(locales))
    assert read(tmp_path / name).to_pylist() == expected.to_pylist()


def test_the_case_of_a_file_ending_does_not_matter(tmp_path: Path) -> None:
    file = tmp_path / "A.CSV.GZ"
    file.write_bytes(gzip.compress((HEADER + csv_row()).encode()))
    assert read(file).to_pylist() == [ROW]


@pytest.mark.chaos("parquet-truncated")
@pytest.mark.parametrize("kept", [0, 6, 300, -3])
def test_a_truncated_parquet_file_is_named(tmp_path: Path, kept: int) -> None:
    file = write_parquet(tmp_path, events(*[{}] * 500))
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(SourceError) as error:
        read(file)
    assert f"{file} is not readable Parquet, perhaps cut off while it was copied" in str(error.value)
    assert str(error.value).endswith("write or copy it again")


def test_a_parquet_file_with_damaged_pages_is_named(tmp_path: Path) -> None:
    file = write_parquet(tmp_path, events(*[{"query": f"query {number}"} for number in range(5000)]))
    content = bytearray(file.read_bytes())
    content[200:9000] = bytes(8800)
    file.write_bytes(content)
    with pytest.raises(SourceError, match=r"a\.parquet is not readable Parquet"):
        read(file)


@pytest.mark.chaos("parquet-truncated")
def test_a_truncated_gzip_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.csv.gz"
    file.write_bytes(gzip.compress((HEADER + csv_row() * 500).encode())[:60])
    with pytest.raises(SourceError, match=r"a\.csv\.gz cannot be read to its end .*: write or copy it again"):
        read(file)


def test_a_date_that_only_the_folder_knows_is_explained(tmp_path: Path) -> None:
    folder = tmp_path / "event_date=2026-06-30"
    folder.mkdir()
    file = write_parquet(folder, events({}).drop_columns("event_date"))
    with pytest.raises(SourceError, match=r"'event_date' stands in the folder's name only: write it into the files"):
        list(read_batches(file, EVENTS))


def test_extra_columns_are_ignored_and_told(tmp_path: Path) -> None:
    table = events({})
    file = write_parquet(tmp_path, table.append_column("session", pa.array(["s"])))
    assert read(file) == table
    assert ignored_columns([file], EVENTS) == ["session"]


def test_the_log_is_every_data_file_below_the_folder_without_catalog_and_markers(log: Path) -> None:
    for name in ("b.csv", "2026/a.parquet", "_SUCCESS", ".a.csv.crc", "_temporary/c.csv", "catalog.csv"):
        (log / "log" / name).parent.mkdir(exist_ok=True)
        (log / "log" / name).write_text("product_id,locale,product_type\n")
    params = EventsParams(path="log", catalog="log/catalog.csv")
    assert list_event_files(params, log) == [log / "log/2026/a.parquet", log / "log/b.csv"]
    assert list_event_files(EventsParams(path="log/b.csv", catalog="log/catalog.csv"), log) == [log / "log/b.csv"]


def test_a_linked_folder_in_the_log_is_refused_unless_it_is_hidden(log: Path) -> None:
    (log / "elsewhere").mkdir()
    (log / "log/a.csv").write_text(HEADER)
    (log / "log/_old").symlink_to(log / "elsewhere")
    assert list_event_files(PARAMS, log) == [log / "log/a.csv"]
    (log / "log/2026").symlink_to(log / "elsewhere")
    with pytest.raises(SourceError, match="log/2026 is a symbolic link to a folder, which is not followed"):
        list_event_files(PARAMS, log)


def test_a_link_in_the_log_cannot_have_another_file_read_in_its_place(log: Path) -> None:
    """Its first line would be in an error as the names of its columns: /proc/self/environ holds secrets."""
    (log / "secret").write_text("PASSWORD=hunter2")
    (log / "log/a.csv").write_text(HEADER)
    (log / "log/b.csv").symlink_to("a.csv")
    assert list_event_files(PARAMS, log) == [log / "log/a.csv", log / "log/b.csv"]
    for target, words in (
        (log / "secret", "to a file elsewhere"),
        (Path("../secret"), "to a file elsewhere"),
        (Path("gone.csv"), "to nothing"),
        (Path("c.csv"), "to nothing"),
    ):
        (log / "log/c.csv").unlink(missing_ok=True)
        (log / "log/c.csv").symlink_to(target)
        with pytest.raises(SourceError, match=rf"log/c\.csv is a symbolic link {words}") as refusal:
            list_event_files(PARAMS, log)
        assert "hunter2" not in str(refusal.value)


@pytest.mark.timeout(20)
def test_nobody_waits_for_a_pipe_in_the_log(log: Path) -> None:
    os.mkfifo(log / "log/a.csv")
    with pytest.raises(SourceError, match=r"log/a\.csv is neither a file nor a folder"):
        list_event_files(PARAMS, log)


@pytest.mark.timeout(20)
def test_a_folder_named_by_mistake_is_refused_before_it_is_searched_to_its_end(log: Path) -> None:
    with pytest.raises(SourceError, match=r"is a symbolic link|has an unknown file ending"):
        list_event_files(EventsParams(path="/", catalog="catalog.csv"), log)


def test_a_folder_that_may_not_be_read_is_not_passed_over() -> None:
    # Not below pytest's folder, where root alone may look.
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        (root / "catalog.csv").touch()
        (root / "log/2026").mkdir(parents=True)
        (root / "log/2026").chmod(0)
        try:
            os.seteuid(65534 if os.geteuid() == 0 else os.geteuid())
            with pytest.raises(SourceError, match=r"log/2026 cannot be read \(Permission denied\): correct its rights"):
                list_event_files(PARAMS, root)
        finally:
            os.seteuid(os.getuid())
            (root / "log/2026").chmod(0o755)


def leave_empty(root: Path) -> None:
    assert not list((root / "log").iterdir())


def forget_log(root: Path) -> None:
    (root / "log").rmdir()


def forget_catalog(root: Path) -> None:
    (root / "catalog.csv").unlink()


def make_catalog_a_folder(root: Path) -> None:
    forget_catalog(root)
    (root / "catalog.csv").mkdir()


def add_json(root: Path) -> None:
    (root / "log/a.json").write_text("{}")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (forget_log, "log does not exist: correct ingest.events.path"),
        (leave_empty, "log holds no event files (.parquet, .csv, .csv.gz): correct ingest.events.path"),
        (add_json, "a.json has an unknown file ending; expected .parquet, .csv, .csv.gz: convert it"),
        (forget_catalog, "catalog.csv does not exist: ingest.events.catalog must name one file (.parquet, .csv,"),
        (make_catalog_a_folder, "catalog.csv is a folder: ingest.events.catalog must name one file"),
    ],
)
def test_a_log_that_is_not_there_is_refused_in_words(log: Path, damage: Callable[[Path], None], said: str) -> None:
    damage(log)
    with pytest.raises(SourceError) as error:
        list_event_files(PARAMS, log)
    assert str(log) in str(error.value)
    assert said in str(error.value)


def test_the_newest_day_is_that_of_all_files_and_never_of_the_future(tmp_path: Path) -> None:
    days = [date(2026, 6, 28), None, date(2026, 6, 29), date(9999, 12, 31)]
    old = write_parquet(tmp_path, events(*({"event_date": day} for day in days)))
    new = write_text(tmp_path, HEADER + csv_row())
    assert newest_day([old, new], before=date(2026, 7, 5)) == DAY
    assert newest_day([old, new], before=DAY) == date(2026, 6, 29)
    assert newest_day([old, new], before=date(2026, 1, 1)) is None


def test_the_catalog_is_read_whole(log: Path) -> None:
    catalog = read_catalog(log / "catalog.csv")
    assert catalog.schema == CATALOG
    assert catalog.to_pylist() == [{"product_id": "p1", "locale": "en-GB", "product_type": "SHOES"}]
