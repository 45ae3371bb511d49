"""The benchmark of the data path at a size of seconds: contestants agree, and one that differs is caught."""

import shutil
from importlib import import_module
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from benchmarks.scale.contestants import CONTESTANTS, STAGES
from benchmarks.scale.equality import UnequalError, check_equal
from benchmarks.scale.log import Made, make_log
from benchmarks.scale.page import Measured, Size, build_page


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    log = tmp_path_factory.mktemp("scale") / "log"
    make_log(log, 11_000, Path("params.yaml"), days=3)
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


def test_a_single_other_row_is_caught(folders: dict[str, Path], tmp_path: Path) -> None:
    other = Path(shutil.copytree(folders["sql"], tmp_path / "sql"))
    file = other / "splits/locale=en-US/test.parquet"
    pq.write_table(pq.ParquetFile(file).read().slice(1), file)
    with pytest.raises(UnequalError, match=r"^test: q2pt alone of q2pt and sql has the row"):
        check_equal({"q2pt": folders["q2pt"], "sql": other})


def test_the_page_compares_and_says_how_a_row_grows() -> None:
    def size(rows: int, seconds: float) -> Size:
        stages = {stage: Measured(seconds, 100.0) for stage in STAGES}
        double = {stage: Measured(2 * seconds, 900.0) for stage in STAGES}
        return Size(Made(rows, 1.0, 10_000_000), {"q2pt": stages, "pandas": double}, {"raw": rows})

    page = build_page([size(1_000, 1.0), size(10_000, 11.0)])
    assert "| 1,000 | plain pandas | 2.0 | 2.0 | 2.0 | 2.0 | 8.0 | 2.00x | 8000.00 | 900 |" in page
    assert "A row of 10,000 takes q2pt 1.10 times as long as one of 1,000." in page
