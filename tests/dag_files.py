"""The DAG files as Airflow reads them, rendered from any checkout."""

from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG

DAGS = Path.cwd() / "dags"


def read_dags(work_dir: Path, repository: Path) -> dict[str, DAG]:
    """The DAGs by id, rendered from `repository`; an error in a DAG file is the test's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("Q2PT_WORK_DIR", str(work_dir))
        patch.setenv("Q2PT_REPOSITORY", str(repository))
        patch.setenv("Q2PT_APPROVERS", "3:Ada Lovelace,grace")
        bag = DagBag(DAGS, bundle_name="dags")
    assert bag.import_errors == {}
    return bag.dags
