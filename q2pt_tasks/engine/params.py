"""The section `engine` of params.yaml. It changes no byte of a result, so no stage of dvc.yaml depends on it."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from q2pt_tasks.params import Section

# A smaller Java process refuses to start Spark.
_LEAST_OF_SPARK_MB = 500


class EngineParams(Section):
    """What the data stages compute with, and how large a machine they may take for granted.

    Attributes:
        name: DuckDB within the stage's process, or Spark.
        memory_limit_mb: the most memory of DuckDB, or of the Java process that the stage starts for Spark, in
            megabytes; what does not fit goes to the temporary directory.
        spark_master: the URL of Spark's cluster, or `local[*]` for that Java process alone; DuckDB does not read it.
    """

    name: Literal["duckdb", "spark"] = "duckdb"
    memory_limit_mb: Annotated[int, Field(ge=100)] = 1_000
    spark_master: Annotated[str, Field(pattern=r"^(local|spark://|yarn$|k8s://)")] = "local[*]"

    @model_validator(mode="after")
    def _leave_spark_room(self) -> "EngineParams":
        if self.name == "spark" and self.memory_limit_mb < _LEAST_OF_SPARK_MB:
            raise ValueError(
                f"memory_limit_mb of at least {_LEAST_OF_SPARK_MB} where name is spark, found {self.memory_limit_mb}"
            )
        return self


DEFAULT = EngineParams()
