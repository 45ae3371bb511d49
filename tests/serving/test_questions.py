"""What a table asks, and that every row finds its question again."""

import numpy as np
import pyarrow as pa
import pytest

from q2pt_tasks.data.queries import normalise_query
from q2pt_tasks.serving.questions import distinct_questions

PLAIN = pa.string()
KINDS = (PLAIN, pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string()))


def _table(rows: list[tuple[str | None, str]], kind: pa.DataType = PLAIN) -> pa.Table:
    queries, locales = zip(*rows, strict=True)
    return pa.table({"query": pa.array(queries, PLAIN).cast(kind), "locale": pa.array(locales, PLAIN).cast(kind)})


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_equal_queries_of_a_locale_are_one_question_whatever_their_spelling(kind: pa.DataType) -> None:
    table = _table([("Red  Hat", "en-US"), ("red hat", "en-GB"), ("red hat", "en-US"), ("sofa", "en-US")], kind)
    questions = distinct_questions(table)
    asked = list(zip(questions.queries, questions.locales, strict=True))
    assert asked == [("red hat", "en-US"), ("red hat", "en-GB"), ("sofa", "en-US")]
    assert questions.of_row.tolist() == [0, 1, 0, 2]


def test_a_row_without_a_query_asks_nothing() -> None:
    questions = distinct_questions(_table([(None, "en-US"), ("hat", "en-US"), (" ", "en-US"), ("\u200f", "en-GB")]))
    assert questions.queries == ["hat"]
    assert questions.of_row.tolist() == [1, 0, 1, 1]
    assert questions.rows.tolist() == [1, 3]


def test_a_table_of_missing_queries_asks_nothing() -> None:
    table = pa.table({"query": pa.nulls(3), "locale": ["en-US"] * 3})
    questions = distinct_questions(table)
    assert (questions.queries, questions.rows.tolist()) == ([], [3])


def test_every_row_finds_its_own_question() -> None:
    random = np.random.default_rng(1)
    texts = [None, "", " ", *(f"{word}{end}" for word in ("Hat", "hat", "HÄT", "sofa") for end in ("", " ", " x"))]
    rows = [(texts[i], ("en-US", "en-GB", "fr-FR")[j]) for i, j in random.integers(0, (len(texts), 3), (500, 2))]
    # Several chunks, as a part has that reaches over row groups.
    table = pa.concat_tables([_table(rows[:123]), _table(rows[123:])])
    questions = distinct_questions(table)
    assert len(set(zip(questions.queries, questions.locales, strict=True))) == len(questions)
    for (query, locale), index in zip(rows, questions.of_row.tolist(), strict=True):
        normalised = normalise_query(query or "")
        if normalised:
            assert (questions.queries[index], questions.locales[index]) == (normalised, locale)
        else:
            assert index == len(questions)
