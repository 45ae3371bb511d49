"""Single queries for a person or a script: a line of JSON each."""

import json
from collections.abc import Sequence

import numpy as np

from q2pt_tasks.data.queries import normalise_query
from q2pt_tasks.model.prediction import Prediction
from q2pt_tasks.registry.opening import OpenedRelease
from q2pt_tasks.serving.release_predictor import ReleasePredictor


class QueryError(ValueError):
    """A query cannot be asked."""


def answer_lines(model: OpenedRelease, queries: Sequence[str], locale: str) -> str:
    """One line per query with the keys that a row of a batch has as columns.

    Raises:
        CheckpointError: the model cannot be loaded.
        QueryError: a query has nothing that can be seen, or is no Unicode.
        LocaleError, LocaleNotServedError: as `Predictor.check_locale` does.
    """
    for query in queries:
        _check(query)
    predictions = ReleasePredictor(model).predict(queries, locale)
    return "\n".join(_line(query, locale, answer) for query, answer in zip(queries, predictions, strict=True))


def _check(query: str) -> None:
    try:
        query.encode()
    except UnicodeEncodeError:
        raise QueryError(f"the query {query!r} is not UTF-8: set the terminal to UTF-8") from None
    if not normalise_query(query):
        raise QueryError(f"the query {query!r} is blank: give what a shopper types")


def _line(query: str, locale: str, answer: Prediction) -> str:
    types = [{"product_type": name, "score": short(score)} for name, score in answer.product_types]
    line = {
        "query": query,
        "locale": locale,
        "product_types": types,
        "used_unknown_locale": answer.used_unknown_locale,
    }
    return json.dumps(line, ensure_ascii=False)


def short(score: float) -> float:
    """The same score of fp32 in as few digits as tell it from all others."""
    return float(str(np.float32(score)))
