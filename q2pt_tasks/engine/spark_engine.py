"""Spark, for logs that outgrow one machine.

What is kept, and what is to come out in order, goes through Parquet files in a folder of its own below the temporary
directory: it costs no memory, and an executor that is lost takes nothing with it. The machines of a cluster therefore
see this folder and the workspace under the same paths.
"""

import atexit
import os
import re
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, Self

import narwhals as nw
import pyarrow as pa
import pyarrow.parquet as pq
from py4j.protocol import Py4JError
from pyspark import cloudpickle
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import arrow_udf

import q2pt_tasks
from q2pt_tasks.engine.interface import Engine, Frame, map_texts
from q2pt_tasks.engine.params import EngineParams

_BATCH_ROWS = 131_072
_GLOB = re.compile(r"([\[\]{}*?\\])")
# What the rows depend on; anything else is left to spark-defaults.conf.
_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    # A number that does not fit is an error, as it is in DuckDB.
    "spark.sql.ansi.enabled": "true",
}
# Where all of Spark is on this machine nobody else needs to reach it.
_ON_THIS_MACHINE = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
}

# Rows go between Python and Spark as Arrow, never as pandas.
warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
# Executors get the code of this run with each task: an installed copy there may be another one, with other normal
# forms.
cloudpickle.register_pickle_by_value(q2pt_tasks)


class SparkStartError(RuntimeError):
    """Spark is installed and does not start."""


class SparkEngine(Engine):
    """The process's one Spark session."""

    errors = (PySparkException, Py4JError)

    def __init__(self, params: EngineParams) -> None:
        """Starts Spark, or takes the session that the process has.

        Raises:
            SparkStartError: it does not start.
        """
        self._spark = _start(params)
        self._folder = tempfile.TemporaryDirectory(prefix="q2pt-engine-")
        self._numbers = count()
        self._kept: dict[DataFrame, Path] = {}

    def scan(self, files: Iterable[Path]) -> Frame:
        # Without the option, folders with such names as `locale=en-GB` would become columns.
        reader = self._spark.read.option("recursiveFileLookup", "true")
        return _lazy(reader.parquet(*[_GLOB.sub(r"\\\1", _url(file)) for file in files]))

    def stream(self, file: Path) -> Frame:
        path = str(file.absolute())
        schema = self._spark.createDataFrame(_open_stream(path).schema.empty_table()).schema

        def read(one_row: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for _ in one_row:
                yield from _open_stream(path)

        return _lazy(self._spark.range(0, 1, 1, 1).mapInArrow(read, schema))

    def frame(self, table: pa.Table) -> Frame:
        return _lazy(self._spark.createDataFrame(table))

    def keep(self, frame: Frame) -> Frame:
        folder = self._write(frame.to_native())
        kept = self.scan([folder])
        self._kept[kept.to_native()] = folder
        return kept

    def drop(self, kept: Frame) -> None:
        shutil.rmtree(self._kept.pop(kept.to_native()))

    def set_aside(self, frame: Frame, file: Path) -> None:
        folder = self._write(frame.to_native().repartition(1))
        (only,) = folder.glob("*.parquet")
        shutil.move(only, file)
        shutil.rmtree(folder)

    def batches(self, ordered: Frame) -> Iterator[pa.RecordBatch]:
        # Each file has the rows that follow those of the file before it.
        folder = self._write(ordered.to_native())
        for file in sorted(folder.glob("*.parquet")):
            with pq.ParquetFile(file) as part:
                yield from part.iter_batches(_BATCH_ROWS)
        shutil.rmtree(folder)

    def map_text(self, frame: Frame, column: str, name: str, function: Callable[[str], str]) -> Frame:
        def mapped(texts: pa.Array) -> pa.Array:
            return map_texts(function, texts)

        native = frame.to_native()
        return _lazy(native.withColumn(name, arrow_udf(mapped, "string")(native[column])))

    def _beside(self) -> Self:
        return self

    def kept(self, kept: Frame) -> Frame:
        return kept

    def _write(self, frame: DataFrame) -> Path:
        folder = Path(self._folder.name).absolute() / str(next(self._numbers))
        frame.write.parquet(_url(folder))
        return folder


def _start(params: EngineParams) -> SparkSession:
    # Read when Spark starts: what maps texts on this machine is the interpreter that runs the stage.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    settings = {**_SETTINGS, "spark.driver.memory": f"{params.memory_limit_mb}m"}
    if params.spark_master.startswith("local"):
        settings |= {**_ON_THIS_MACHINE, "spark.local.dir": tempfile.gettempdir()}
    builder = SparkSession.builder.appName("q2pt").master(params.spark_master).config(map=settings)
    try:
        spark = builder.getOrCreate()
    except (PySparkException, Py4JError) as error:
        raise SparkStartError(
            f"Spark does not start with engine.spark_master {params.spark_master}: {str(error).splitlines()[0]}; see "
            "what it wrote above. It needs Java 17 (JAVA_HOME) and a master that answers"
        ) from error
    # Else executors are told of their end by a Java process that is gone.
    atexit.register(spark.stop)
    return spark


def _lazy(frame: DataFrame) -> Frame:
    lazy: Frame = nw.from_native(frame)
    return lazy


def _url(path: Path) -> str:
    """A path of this machine, whatever the cluster's own file system is."""
    return f"file://{path.absolute()}"


def _open_stream(path: str) -> Any:  # noqa: ANN401 - pyarrow has no types
    return pa.ipc.open_stream(pa.memory_map(path))
