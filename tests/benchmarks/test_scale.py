"""The benchmark of the data path at a size of seconds: contestants agree, and one that differs is caught."""

import shutil
from importlib import import_module
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from benchmarks.scale.contestants import CONTESTANTS, STAGES
from benchmarks.scale.equality import OtherBytesError, UnequalError, check_equal
from benchmarks.scale.log import Made, make_log
from benchmarks.scale.measuring import Measured
from benchmarks.scale.night import Nights, measure_nights
from benchmarks.scale.page import Size, build_page
from benchmarks.scale.steps import PieceDoneError, Steps
from q2pt_tasks.data.floods import FLOOD
from q2pt_tasks.params_edit import edit_params


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    log = tmp_path_factory.mktemp("scale") / "log"
    make_log(log, 11_000, Path("params.yaml"), days=3)
    # Some queries of small stores are floods then.
    edit_params(log / "params.yaml", {"validate.min_flood_clicks": 5, "validate.max_query_click_share": 0.05})
    folders = {name: Path(shutil.copytree(log, log.parent / name)) for name in CONTESTANTS}
    for name, module in CONTESTANTS.items():
        stages = import_module(f"benchmarks.scale.{module}").STAGES
        for stage in STAGES:
            stages[stage](folders[name])
    return folders


def test_the_contestants_make_the_same_rows(folders: dict[str, Path]) -> None:
    rows = check_equal(folders)
    assert rows["raw"] == rows["valid"] + rows["quarantine"]
    assert all(rows.values())
    assert FLOOD[1] in pq.read_table(folders["q2pt"] / "data/quarantine/events.parquet")["reason"].to_pylist()


def test_a_single_other_row_is_caught(folders: dict[str, Path], tmp_path: Path) -> None:
    other = Path(shutil.copytree(folders["sql"], tmp_path / "sql"))
    file = other / "splits/locale=en-US/test.parquet"
    pq.write_table(pq.ParquetFile(file).read().slice(1), file)
    with pytest.raises(UnequalError, match=r"^test: q2pt alone of q2pt and sql has the row"):
        check_equal({"q2pt": folders["q2pt"], "sql": other})


def test_a_night_that_adds_a_day_makes_the_same_files(folders: dict[str, Path], tmp_path: Path) -> None:
    nights = measure_nights(folders["q2pt"], tmp_path / "night", Steps(tmp_path / "steps"))
    assert list(nights.first) == list(nights.added) == list(STAGES)
    assert not (tmp_path / "night").exists()
    file = next((folders["q2pt"] / "data/valid/events").iterdir())
    content = file.read_bytes()
    file.write_bytes(content + b" ")
    with pytest.raises(OtherBytesError, match="has other bytes where earlier nights were remembered"):
        measure_nights(folders["q2pt"], tmp_path / "other", Steps(tmp_path / "other steps"))
    file.write_bytes(content)


def test_the_page_compares_and_says_what_is_met() -> None:
    def size(rows: int, seconds: float) -> Size:
        stages = {stage: Measured(seconds, 2 * seconds, 100.0) for stage in STAGES}
        double = {stage: Measured(2 * seconds, 2 * seconds, 900.0) for stage in STAGES}
        night = {stage: Measured(0.1 * seconds, 0.1 * seconds, 100.0) for stage in STAGES}
        measured = {"q2pt": stages, "pandas": double, "sql": stages}
        return Size(Made(rows, 1.0, 10_000_000), measured, Nights(double, night), 0.25, {"raw": rows})

    page = build_page([size(1_000, 1.0), size(10_000, 16.0)], "make bench-scale")
    assert "| 1,000 | plain pandas | 2.0 | 2.0 | 2.0 | 2.0 | 8.0 | 2.00x | 8.0 | 8000.00 | 900 |" in page
    assert "| 1,000 rows: q2pt against plain pandas | at most 0.20x | 0.50x | no |" in page
    assert "| 1,000 rows: q2pt against hand-written SQL | at most 1.50x | 1.00x | yes |" in page
    assert "| 1,000 rows: a day added | under 0.20x | 0.10x | yes |" in page
    assert "| 10,000 rows: a day added, in core-seconds | under 0.20x | 0.05x | yes |" in page
    assert "| 10,000 rows: a day added, of the first night | under 0.20x | 0.05x | yes |" in page
    assert "| 10,000 rows: making the log against q2pt | at most 1.00x | 0.02x | yes |" in page
    assert "| 10,000 rows: time of a row against 1,000 rows | at most 1.50x | 1.60x | no |" in page
    assert "| 1,000 to 10,000 | q2pt | 13333.33 |" in page
    assert "| 1,000 | 0.1 | 0.1 | 0.1 | 0.1 | 0.4 | 0.2 | 0.10x | 0.05x | 8.0 | 0.05x |" in page


def test_a_step_is_taken_once_and_none_begins_after_the_time_is_up(tmp_path: Path) -> None:
    taken = []

    def step() -> Measured:
        taken.append(1)
        return Measured(1.0, 2.0, 3.0)

    assert Steps(tmp_path).once("step", Measured, step) == Measured(1.0, 2.0, 3.0)
    assert Steps(tmp_path, ends=0.0).once("step", Measured, step) == Measured(1.0, 2.0, 3.0)
    assert len(taken) == 1
    with pytest.raises(PieceDoneError, match="ended before the step 'other'"):
        Steps(tmp_path, ends=0.0).once("other", Measured, step)
