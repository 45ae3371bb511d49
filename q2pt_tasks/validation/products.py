"""Which products a day has. Through them alone it depends on the catalog, which is another one every day."""

import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from q2pt_tasks.data.schema import CATALOG_KEY
from q2pt_tasks.engine.interface import Engine
from q2pt_tasks.engine.tables import collect, write_table
from q2pt_tasks.memo import Memo


def products_of(engine: Engine, file: Path, sha256: str, memo: Memo) -> pa.Table:
    """Locale and product of the events in `file`, whose hash is `sha256`, once each."""

    def make(folder: Path) -> None:
        write_table(
            collect(engine.scan([file]).select(*CATALOG_KEY).unique(), CATALOG_KEY), folder / "products.parquet"
        )

    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "found"
        memo.fill(lambda: {"products of": sha256}, found, make)
        return pq.read_table(found / "products.parquet")
