"""Queries in their normal form, by the engine where it can tell them, by Python where not."""

import narwhals as nw

from q2pt_tasks.data.queries import MAY_DIFFER, normalise_query
from q2pt_tasks.engine.interface import Engine, Frame

_ASKED, _ANSWER = "asked_query", "normal_query"


def with_normal_queries(engine: Engine, frame: Frame) -> Frame:
    """`frame` with the normal form of each query in its place."""
    query = nw.col("query")
    asked = frame.with_columns(nw.when(query.str.contains(MAY_DIFFER)).then(query).alias(_ASKED))
    answered = engine.map_text(asked, _ASKED, _ANSWER, normalise_query)
    return answered.with_columns(query=nw.coalesce(_ANSWER, "query")).drop(_ASKED, _ANSWER)
