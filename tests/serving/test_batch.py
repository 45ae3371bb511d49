"""Files in, files out: nothing lost, nothing changed, and taken up again wherever a run was killed."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from checkpoints import WORDS, random_checkpoint, untrained_checkpoint

from q2pt_tasks.model.metadata import CheckpointError
from q2pt_tasks.model.prediction import Predictor
from q2pt_tasks.registry.opening import open_directory
from q2pt_tasks.serving.answered_table import add_answers
from q2pt_tasks.serving.batch import BatchJob, BatchReport, predict_files
from q2pt_tasks.serving.input_files import InputError
from q2pt_tasks.serving.output_folder import OutputError

ROWS = 200
STORES = ("en-US", "en-GB", "fr-FR")

# Kills itself at the n-th renaming: what is about to get its name is whole, and has not got it.
_KILLED_AT_A_NAME = """
import os, signal, sys
from q2pt_tasks import cli
rename, left = os.replace, int(sys.argv.pop(1))
def replace(*names):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    rename(*names)
os.replace = replace
cli.main(sys.argv[1:])
"""

# Prints the most memory that the process had, in KiB; what `getrusage` says includes that of the process before `exec`.
_MEASURED = """
import sys
from pathlib import Path
from q2pt_tasks import cli
cli.main(sys.argv[1:])
print(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
"""


def _queries(rows: int, seed: int = 1) -> pa.Table:
    dice = random.Random(seed)  # noqa: S311 - no secret
    texts = [None, " ", *(f"{first} {second}" for first in WORDS for second in WORDS)]
    return pa.table(
        {
            "id": pa.array(range(rows), pa.int32()),
            "query": pa.array([dice.choice(texts) for _ in range(rows)]).dictionary_encode(),
            "locale": [dice.choice(STORES) for _ in range(rows)],
            "at": pa.array(range(rows), pa.timestamp("ns", "Europe/Berlin")),
            "nested": [{"a": [number, None]} for number in range(rows)],
        },
    ).replace_schema_metadata({"kept": "yes"})


@pytest.fixture
def job(tmp_path: Path) -> BatchJob:
    """Two files in a folder, four parts."""
    for number, name in enumerate(("a.parquet", "below/b.parquet")):
        file = tmp_path / "input" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(_queries(ROWS, number), file, row_group_size=70)
    return BatchJob(open_directory(random_checkpoint(tmp_path / "model")), tmp_path / "input", tmp_path / "output", 130)


def _content(folder: Path) -> Mapping[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if not file.name.startswith(".")}


def _arguments(job: BatchJob) -> list[str]:
    options = {"model": job.model.folder, "input": job.input, "output": job.output, "part-rows": job.part_rows}
    return ["predict", *(text for name, value in options.items() for text in (f"--{name}", str(value)))]


def test_every_row_comes_back_with_its_columns_and_its_answer(job: BatchJob) -> None:
    assert predict_files(job) == BatchReport(rows=2 * ROWS, parts=4, parts_before=0)
    parts = [pq.ParquetFile(job.output / f"part-0000{number}.parquet").read() for number in range(4)]
    assert [len(part) for part in parts] == [130, 70, 130, 70]
    given = pa.concat_tables(pq.ParquetFile(job.input / name).read() for name in ("a.parquet", "below/b.parquet"))
    found = pa.concat_tables(parts)
    assert found.column_names == [*given.column_names, "product_types", "used_unknown_locale"]
    assert found.select(given.column_names).schema.equals(given.schema, check_metadata=True)
    assert found.select(given.column_names).to_pylist() == given.to_pylist()
    predictor = Predictor.load(job.model.folder)
    for part, start in zip(parts, (0, 130, 200, 330), strict=True):
        expected = add_answers(given.slice(start, len(part)), predictor, lambda _: None)
        assert part.select(["product_types"]).to_pylist() == expected.select(["product_types"]).to_pylist()
        assert part["used_unknown_locale"].to_pylist() == [locale == "fr-FR" for locale in part["locale"].to_pylist()]


def test_a_folder_is_read_as_one_table_by_others(job: BatchJob) -> None:
    predict_files(job)
    assert len(pq.read_table(job.output)) == 2 * ROWS


def test_a_single_file_is_an_input_too(job: BatchJob, tmp_path: Path) -> None:
    own = BatchJob(job.model, job.input / "a.parquet", tmp_path / "own", 1000)
    assert predict_files(own) == BatchReport(ROWS, 1, 0)


def test_a_finished_run_is_not_run_again(job: BatchJob) -> None:
    predict_files(job)
    times = {file: file.stat().st_mtime_ns for file in job.output.glob("*.parquet")}
    assert predict_files(job) == BatchReport(2 * ROWS, 4, 4)
    assert {file: file.stat().st_mtime_ns for file in job.output.glob("*.parquet")} == times


@pytest.mark.parametrize("lost", [[0], [1], [3], [0, 2], [1, 3], [0, 1, 2, 3]])
def test_parts_that_are_missing_come_out_with_the_same_bytes(job: BatchJob, lost: list[int]) -> None:
    predict_files(job)
    whole = _content(job.output)
    for number in lost:
        (job.output / f"part-0000{number}.parquet").unlink()
    assert predict_files(job).parts_before == 4 - len(lost)
    assert _content(job.output) == whole


def test_an_unfinished_run_is_not_marked_as_finished(job: BatchJob, monkeypatch: pytest.MonkeyPatch) -> None:
    predict_files(job)
    (job.output / "part-00003.parquet").unlink()

    def interrupt(*_: object) -> pa.Table:
        raise KeyboardInterrupt

    monkeypatch.setattr("q2pt_tasks.serving.batch.add_answers", interrupt)
    with pytest.raises(KeyboardInterrupt):
        predict_files(job)
    assert not (job.output / "_SUCCESS").exists()


# The manifest's name, the first part's, the last part's.
@pytest.mark.parametrize("name", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(5, marks=pytest.mark.slow)])
def test_a_run_killed_before_a_file_has_its_name_is_taken_up_to_the_same_bytes(
    job: BatchJob, tmp_path: Path, name: int
) -> None:
    whole = BatchJob(job.model, job.input, tmp_path / "whole", job.part_rows)
    predict_files(whole)
    killed = subprocess.run([sys.executable, "-c", _KILLED_AT_A_NAME, str(name), *_arguments(job)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(list(job.output.glob("part-*"))) == max(0, name - 2)
    assert len(list(job.output.glob(".*.unfinished"))) == 1
    predict_files(job)
    assert _content(job.output) == _content(whole.output)
    assert not list(job.output.glob(".*"))


@pytest.mark.chaos("prediction-killed")
@pytest.mark.slow
def test_a_run_killed_at_any_moment_again_and_again_is_taken_up_to_the_same_bytes(
    job: BatchJob, tmp_path: Path
) -> None:
    pq.write_table(_queries(20_000), job.input / "c.parquet", row_group_size=3000)
    job = BatchJob(job.model, job.input, job.output, 100)
    whole = BatchJob(job.model, job.input, tmp_path / "whole", job.part_rows)
    parts = predict_files(whole).parts
    dice = random.Random(7)  # noqa: S311 - no secret
    before = 0
    for _ in range(6):
        run = subprocess.Popen([sys.executable, "-m", "q2pt_tasks", *_arguments(job)], stderr=subprocess.DEVNULL)
        _kill_after(run, job.output, before + dice.randrange(1, parts // 8), dice.random() / 50)
        found = len(list(job.output.glob("part-*")))
        assert before < found < parts
        assert not (job.output / "_SUCCESS").exists()
        before = found
    assert predict_files(job) == BatchReport(2 * ROWS + 20_000, parts, before)
    assert _content(job.output) == _content(whole.output)


def _kill_after(run: "subprocess.Popen[bytes]", output: Path, parts: int, seconds: float) -> None:
    """Kills `run` some seconds after `output` has that many parts."""
    while run.poll() is None and len(list(output.glob("part-*"))) < parts:
        time.sleep(0.001)
    time.sleep(seconds)
    run.kill()
    assert run.wait() == -signal.SIGKILL


def _peak_mib(job: BatchJob) -> float:
    measured = subprocess.run(
        [sys.executable, "-c", _MEASURED, *_arguments(job)], check=True, capture_output=True, text=True
    )
    return int(measured.stdout.splitlines()[-1]) / 1024


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    model, dice, peaks = random_checkpoint(tmp_path / "model"), random.Random(1), []  # noqa: S311 - no secret
    for rows in (50_000, 250_000):
        file = tmp_path / f"{rows}.parquet"
        queries = [f"{WORDS[row % 10]} {row}" for row in range(rows)]
        notes = [dice.randbytes(500) for _ in range(rows)]
        # One row group, as other tools write it.
        pq.write_table(
            pa.table({"query": queries, "locale": ["en-GB"] * rows, "note": notes}), file, row_group_size=rows
        )
        peaks.append(_peak_mib(BatchJob(open_directory(model), file, tmp_path / f"output {rows}", 5_000)))
    # The notes differ by 100 MB; allocators settle within 50 MB, also over millions of rows.
    assert peaks[1] - peaks[0] < 50, peaks


def test_another_model_is_refused(job: BatchJob, tmp_path: Path) -> None:
    predict_files(job)
    other = open_directory(random_checkpoint(tmp_path / "other", seed=2))
    with pytest.raises(OutputError, match=r"was begun by another run: the model has the hash \w+, that of the folder"):
        predict_files(BatchJob(other, job.input, job.output, job.part_rows))


def test_another_input_is_refused_and_the_same_elsewhere_is_not(job: BatchJob, tmp_path: Path) -> None:
    predict_files(job)
    moved = job.input.rename(tmp_path / "moved")
    assert predict_files(BatchJob(job.model, moved, job.output, job.part_rows)).parts_before == 4
    pq.write_table(_queries(ROWS, seed=9), moved / "a.parquet", row_group_size=70)
    with pytest.raises(OutputError, match=r"the input file a\.parquet has \d+ bytes with MD5"):
        predict_files(BatchJob(job.model, moved, job.output, job.part_rows))


def test_parts_of_another_size_are_refused(job: BatchJob) -> None:
    predict_files(job)
    with pytest.raises(OutputError, match="--part-rows is 99, that of the folder 130: give what it was begun with"):
        predict_files(BatchJob(job.model, job.input, job.output, 99))


@pytest.mark.parametrize("rows", [0, -1])
def test_parts_without_rows_are_refused(job: BatchJob, rows: int) -> None:
    with pytest.raises(ValueError, match=f"part_rows is 1 or more, found {rows}"):
        BatchJob(job.model, job.input, job.output, rows)


def test_a_bad_row_is_refused_before_anything_is_written(job: BatchJob) -> None:
    bad = _queries(ROWS).set_column(2, "locale", pa.array(["en-US"] * (ROWS - 1) + ["en_US"]))
    pq.write_table(bad, job.input / "z.parquet")
    with pytest.raises(InputError, match=rf"z\.parquet, row {ROWS - 1} .* found 'en_US'"):
        predict_files(job)
    assert _content(job.output) == {}


def test_a_store_that_a_per_locale_model_does_not_serve_is_refused_with_its_row(job: BatchJob, tmp_path: Path) -> None:
    own = open_directory(random_checkpoint(tmp_path / "own", "non_unified", ["en-US", "en-GB"]))
    with pytest.raises(InputError, match=r"a\.parquet, row \d+ .* serves en-GB, en-US alone, found the locale 'fr"):
        predict_files(BatchJob(own, job.input, job.output))


def test_an_input_that_changes_while_it_is_read_is_not_marked_as_finished(
    job: BatchJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change(table: pa.Table, predictor: Predictor, advance: Callable[[int], object]) -> pa.Table:
        pq.write_table(_queries(ROWS, seed=9), job.input / "late.parquet")
        return add_answers(table, predictor, advance)

    monkeypatch.setattr("q2pt_tasks.serving.batch.add_answers", change)
    with pytest.raises(InputError, match=r"it changed while it was read: the input file late\.parquet is new"):
        predict_files(job)
    assert not (job.output / "_SUCCESS").exists()


def test_an_input_without_rows_is_refused(job: BatchJob, tmp_path: Path) -> None:
    pq.write_table(_queries(0), tmp_path / "empty.parquet")
    with pytest.raises(InputError, match=r"empty\.parquet holds no rows: give files with queries"):
        predict_files(BatchJob(job.model, tmp_path / "empty.parquet", job.output))
    assert not job.output.exists()


def test_a_file_without_rows_among_others_is_in_the_manifest_alone(job: BatchJob) -> None:
    pq.write_table(_queries(0), job.input / "empty.parquet")
    assert predict_files(job) == BatchReport(2 * ROWS, 4, 0)


@pytest.mark.parametrize("output", ["input", "input/output"])
def test_an_output_in_the_input_is_refused(job: BatchJob, tmp_path: Path, output: str) -> None:
    with pytest.raises(OutputError, match="lies in the input"):
        predict_files(BatchJob(job.model, job.input, tmp_path / output))


def test_an_untrained_checkpoint_is_refused(job: BatchJob, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no weights: 3 training queries"):
        predict_files(BatchJob(open_directory(untrained_checkpoint(tmp_path / "untrained")), job.input, job.output))
    assert not job.output.exists()
