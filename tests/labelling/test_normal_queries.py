import pyarrow as pa

from q2pt_tasks.engine.opening import open_engine
from q2pt_tasks.engine.tables import collect
from q2pt_tasks.labelling.normal_queries import with_normal_queries


def test_each_query_is_replaced_by_its_normal_form_and_nothing_else_changes() -> None:
    engine = open_engine()
    typed = pa.table({"row": [1, 2, 3, 4, 5], "query": ["Hose ", "hose", "STRASSE", "Straße", "名刺"]})
    found = collect(with_normal_queries(engine, engine.frame(typed)), ("row",))
    assert found.column_names == ["row", "query"]
    assert found["query"].to_pylist() == ["hose", "hose", "strasse", "strasse", "名刺"]
