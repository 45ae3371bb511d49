"""The engine that the params ask for."""

from q2pt_tasks.engine.duckdb_engine import DuckDBEngine
from q2pt_tasks.engine.interface import Engine
from q2pt_tasks.engine.params import DEFAULT, EngineParams


class MissingEngineError(ImportError):
    """The params ask for an engine that is not installed."""


def open_engine(params: EngineParams = DEFAULT) -> Engine:
    """Starts it.

    Raises:
        MissingEngineError: it is Spark, which is an extra.
        SparkStartError: Spark is installed and does not start.
    """
    if params.name == "duckdb":
        return DuckDBEngine(params)
    try:
        from q2pt_tasks.engine.spark_engine import SparkEngine  # seconds that only who asked for it pays
    except ModuleNotFoundError as error:
        if error.name not in ("pyspark", "py4j"):
            raise
        raise MissingEngineError(
            "engine.name is spark, but PySpark is not installed: pip install 'q2pt[spark]' (and Java 17), or set "
            "engine.name to duckdb"
        ) from None
    return SparkEngine(params)
