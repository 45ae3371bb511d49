"""A folder belongs to one run, and holds whole files only."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from q2pt_tasks.serving import output_folder
from q2pt_tasks.serving.manifest import InputFile, plan
from q2pt_tasks.serving.output_folder import (
    OutputError,
    begin,
    is_begun,
    locked,
    missing_parts,
    write_part,
)

RUN = plan("0" * 32, 2, [InputFile("a.parquet", 10, "a" * 32, 5)])
ROWS = pa.table({"id": [1, 2]})


def test_a_new_and_an_empty_folder_are_not_begun(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "a/new/one"):
        with locked(folder):
            assert not is_begun(folder, RUN)


def test_what_was_begun_is_taken_up_where_parts_are_missing(tmp_path: Path) -> None:
    begin(tmp_path, RUN)
    assert is_begun(tmp_path, RUN)
    write_part(ROWS, tmp_path / RUN.parts[1].name)
    assert missing_parts(tmp_path, RUN) == [RUN.parts[0], RUN.parts[2]]


def test_a_finished_folder_is_unmarked_when_it_is_begun_again(tmp_path: Path) -> None:
    begin(tmp_path, RUN)
    output_folder.finish(tmp_path)
    assert is_begun(tmp_path, RUN)
    begin(tmp_path, RUN)
    assert not (tmp_path / "_SUCCESS").exists()


def test_a_folder_of_another_run_is_refused_with_what_differs_and_what_to_do(tmp_path: Path) -> None:
    begin(tmp_path, RUN)
    other = plan("1" * 32, 2, RUN.files)
    with pytest.raises(OutputError, match=r"the model has the hash 1.*, that of the folder 0.*: give what"):
        is_begun(tmp_path, other)


@pytest.mark.parametrize("begun", [True, False])
def test_a_folder_with_other_files_is_refused(tmp_path: Path, begun: bool) -> None:
    if begun:
        begin(tmp_path, RUN)
    (tmp_path / "part-99999.parquet").touch()
    with pytest.raises(OutputError, match=r"holds part-99999\.parquet, which is not of this run: give"):
        is_begun(tmp_path, RUN)


def test_parts_without_their_manifest_are_refused(tmp_path: Path) -> None:
    write_part(ROWS, tmp_path / RUN.parts[0].name)
    with pytest.raises(OutputError, match=r"holds part-00000\.parquet, which is not of this run"):
        is_begun(tmp_path, RUN)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]"])
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "_predict.json").write_bytes(content)
    with pytest.raises(OutputError, match=r"_predict\.json cannot be read .* give another --output"):
        is_begun(tmp_path, RUN)


def test_a_damaged_part_is_refused_and_not_taken_for_done(tmp_path: Path) -> None:
    write_part(ROWS, tmp_path / RUN.parts[0].name)
    write_part(ROWS, tmp_path / RUN.parts[2].name)
    with pytest.raises(OutputError, match=r"part-00002\.parquet has 2 rows, expected 1: remove it and run again"):
        missing_parts(tmp_path, RUN)
    part = tmp_path / RUN.parts[0].name
    part.write_bytes(part.read_bytes()[:-10])
    with pytest.raises(OutputError, match=r"part-00000\.parquet is not readable Parquet .* remove it and run again"):
        missing_parts(tmp_path, RUN)


def test_two_runs_do_not_write_to_one_folder(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(OutputError, match=r"another run writes to .*: wait for its end"):  # noqa: SIM117
        with locked(tmp_path):
            pass
    with locked(tmp_path):
        pass


def test_a_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"), locked(tmp_path / "file"):
        pass


def test_a_full_disk_leaves_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "write_table", fail)
    with pytest.raises(OutputError, match=r"No space left on device.*run again, the parts that are there stay"):
        write_part(ROWS, tmp_path / RUN.parts[0].name)
    assert not list(tmp_path.glob("part-*"))


def test_nothing_is_written_through_a_link_that_somebody_left(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    folder = tmp_path / "output"
    folder.mkdir()
    for name in ("_predict.json", RUN.parts[0].name):
        (folder / f".{name}.unfinished").symlink_to(tmp_path / "mine")
        (folder / name).symlink_to(tmp_path / "mine")
    begin(folder, RUN)
    write_part(ROWS, folder / RUN.parts[0].name)
    assert (tmp_path / "mine").read_text() == "mine"
    assert not any(path.is_symlink() for path in folder.iterdir())
