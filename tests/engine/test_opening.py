"""Which engine the params open, and what they are told where it is not there."""

import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from spark import needs_spark

from q2pt_tasks.engine.duckdb_engine import DuckDBEngine
from q2pt_tasks.engine.opening import MissingEngineError, open_engine
from q2pt_tasks.engine.params import EngineParams
from q2pt_tasks.params import ParamsError, read_section


def test_duckdb_is_opened_unless_the_params_say_otherwise() -> None:
    assert isinstance(open_engine(), DuckDBEngine)
    assert isinstance(open_engine(EngineParams()), DuckDBEngine)


def test_spark_that_is_not_installed_is_named_with_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    monkeypatch.delitem(sys.modules, "q2pt_tasks.engine.spark_engine", raising=False)
    with pytest.raises(MissingEngineError, match=r"pip install 'q2pt\[spark\]'.*or set engine.name to duckdb"):
        open_engine(EngineParams(name="spark"))


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"name": "Spark"}, r"'engine.name' is 'Spark' .*'duckdb' or 'spark'"),
        ({"name": "spark", "memory_limit_mb": 400}, "at least 500 where name is spark, found 400"),
        ({"spark_master": "mesos://host"}, "'engine.spark_master' is 'mesos://host'"),
        ({"master": "local"}, "unknown key 'engine.master'"),
    ],
)
def test_a_slip_in_the_section_is_refused_by_name(tmp_path: Path, section: dict[str, object], said: str) -> None:
    with (tmp_path / "params.yaml").open("w") as file:
        YAML().dump({"engine": section}, file)
    with pytest.raises(ParamsError, match=said):
        read_section(tmp_path / "params.yaml", "engine", EngineParams)


class TestSpark:
    pytestmark = needs_spark

    def test_a_master_that_is_none_is_named(self) -> None:
        from q2pt_tasks.engine.spark_engine import SparkStartError

        with pytest.raises(SparkStartError, match=r"engine.spark_master local\[many\].*Java 17"):
            open_engine(EngineParams(name="spark", spark_master="local[many]"))
