from pathlib import Path

import pyarrow as pa
from raw_tables import event

from q2pt_tasks.data.schema import EVENTS
from q2pt_tasks.engine.opening import open_engine
from q2pt_tasks.engine.tables import write_table
from q2pt_tasks.memo import NOTHING, Memo
from q2pt_tasks.validation.products import products_of


def test_the_products_of_a_day_are_found_out_once(tmp_path: Path) -> None:
    file, memo = tmp_path / "day.parquet", Memo(str(tmp_path / "place"))
    rows = [event(product_id=product, query=query) for product in "ba" for query in "xy"]
    write_table(pa.Table.from_pylist([*rows, event(locale="de-DE", product_id=None)], EVENTS), file)
    expected = {"locale": ["de-DE", "en-GB", "en-GB"], "product_id": [None, "a", "b"]}
    assert products_of(open_engine(), file, "its hash", memo).to_pydict() == expected
    file.unlink()
    assert products_of(open_engine(), file, "its hash", memo).to_pydict() == expected


def test_without_a_memo_they_are_read(tmp_path: Path) -> None:
    file = tmp_path / "day.parquet"
    write_table(pa.Table.from_pylist([event()], EVENTS), file)
    assert products_of(open_engine(), file, "", NOTHING).num_rows == 1
