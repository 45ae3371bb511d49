"""A table of queries with two more columns: what each query means, and whether its locale is known to the model."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
import pyarrow as pa

from q2pt_tasks.model.answers import Answers
from q2pt_tasks.serving.questions import LOCALE, Questions, distinct_questions, encoded

PRODUCT_TYPES, USED_UNKNOWN_LOCALE = "product_types", "used_unknown_locale"
_ANSWER = pa.struct([("product_type", pa.string()), ("score", pa.float32())])

# Scores in memory at once, 32 MB, whatever the number of product types; but enough queries to sort them by length.
_MAX_SCORES = 2**23
_MIN_QUESTIONS = 2048


class Answering(Protocol):
    """One checkpoint, or a release of several."""

    @property
    def product_types(self) -> tuple[str, ...]: ...

    def uses_unknown_locale(self, locale: str) -> bool: ...

    def answer(self, queries: Sequence[str], locales: Sequence[str]) -> Answers: ...


def add_answers(table: pa.Table, predictor: Answering, advance: Callable[[int], object]) -> pa.Table:
    """`table` with the columns `product_types`, best first, and `used_unknown_locale`.

    A row without a query, or with a blank one, has an empty list.

    Args:
        table: with text columns `query` and `locale`; no locale is missing, and the predictor answers all of them.
        predictor: the model that is asked.
        advance: is told now and then how many more rows are answered.
    """
    questions = distinct_questions(table)
    lists = list(_answer(questions, predictor, advance))
    # The list of the rows that ask nothing.
    lists.append(pa.array([[]], pa.list_(_ANSWER)))
    answers = pa.concat_arrays(lists).take(pa.array(questions.of_row))
    locales, locale_of_row = encoded(table[LOCALE])
    unknown = np.array([predictor.uses_unknown_locale(locale) for locale in locales], dtype=bool)[locale_of_row]
    return table.append_column(PRODUCT_TYPES, answers).append_column(USED_UNKNOWN_LOCALE, pa.array(unknown))


def _answer(questions: Questions, predictor: Answering, advance: Callable[[int], object]) -> Iterator[pa.ListArray]:
    rows = questions.rows
    size = max(_MIN_QUESTIONS, _MAX_SCORES // max(1, len(predictor.product_types)))
    for start in range(0, len(questions), size):
        piece = slice(start, start + size)
        answers = predictor.answer(questions.queries[piece], questions.locales[piece])
        yield _as_lists(answers, pa.array(predictor.product_types, pa.string()))
        advance(int(rows[:-1][piece].sum()))
    advance(int(rows[-1]))


def _as_lists(answers: Answers, types: pa.Array) -> pa.ListArray:
    named = pa.StructArray.from_arrays(
        [types.take(pa.array(answers.types.values)), pa.array(answers.scores)], fields=list(_ANSWER)
    )
    return pa.ListArray.from_arrays(pa.array(answers.types.offsets.astype(np.int32)), named)
