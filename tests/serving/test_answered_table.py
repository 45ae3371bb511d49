"""The two columns that answers are, against the predictor asked row by row."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from checkpoints import LOCALES, WORDS, exact_predictor, random_checkpoint

from q2pt_tasks.model.prediction import Predictor
from q2pt_tasks.serving import answered_table
from q2pt_tasks.serving.answered_table import add_answers

ROWS = 300


def _table(locales: tuple[str, ...]) -> pa.Table:
    random = np.random.default_rng(3)
    texts = [None, "", "日本語", *(f"{first} {second}" for first in WORDS for second in WORDS)]
    return pa.table(
        {
            "query": [texts[index] for index in random.integers(0, len(texts), ROWS)],
            "locale": [locales[index] for index in random.integers(0, len(locales), ROWS)],
        }
    )


def _ask(table: pa.Table, predictor: Predictor) -> pa.Table:
    return add_answers(table, predictor, lambda _: None)


@pytest.mark.parametrize("variant", ["non_unified", "unified_agnostic", "unified_aware"])
def test_every_row_has_what_the_predictor_says_of_it_alone(tmp_path: Path, variant: str) -> None:
    predictor = exact_predictor(random_checkpoint(tmp_path, variant))
    locales = LOCALES if variant == "non_unified" else (*LOCALES, "fr-FR", "fr-BE")
    answered = _ask(_table(locales), predictor).to_pylist()
    assert len(answered) == ROWS
    for row in answered:
        (alone,) = predictor.predict([row["query"] or ""], row["locale"])
        assert [answer["product_type"] for answer in row["product_types"]] == [name for name, _ in alone.product_types]
        scores = [answer["score"] for answer in row["product_types"]]
        assert scores == pytest.approx([score for _, score in alone.product_types], abs=1e-5)
        assert row["used_unknown_locale"] == alone.used_unknown_locale


def test_a_large_table_is_asked_piece_by_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor, table = exact_predictor(random_checkpoint(tmp_path)), _table(LOCALES)
    whole = _ask(table, predictor)
    monkeypatch.setattr(answered_table, "_MIN_QUESTIONS", 7)
    monkeypatch.setattr(answered_table, "_MAX_SCORES", 1)
    steps: list[int] = []
    pieces = add_answers(table, predictor, steps.append)
    assert sum(steps) == ROWS
    assert len(steps) > 10
    for one, other in zip(whole.to_pylist(), pieces.to_pylist(), strict=True):
        assert [a["product_type"] for a in one["product_types"]] == [a["product_type"] for a in other["product_types"]]


def test_the_columns_have_the_types_that_are_promised(tmp_path: Path) -> None:
    answered = _ask(_table(LOCALES), exact_predictor(random_checkpoint(tmp_path)))
    answer = pa.struct([("product_type", pa.string()), ("score", pa.float32())])
    assert answered.schema.field("product_types").type == pa.list_(answer)
    assert answered.schema.field("used_unknown_locale").type == pa.bool_()
    assert answered["product_types"].null_count == answered["used_unknown_locale"].null_count == 0


def test_rows_that_ask_nothing_have_empty_lists(tmp_path: Path) -> None:
    table = pa.table({"query": pa.nulls(4), "locale": ["en-US"] * 4})
    steps: list[int] = []
    answered = add_answers(table, exact_predictor(random_checkpoint(tmp_path)), steps.append)
    assert answered["product_types"].to_pylist() == [[]] * 4
    assert steps == [4]


def test_other_columns_stay_as_they_are(tmp_path: Path) -> None:
    table = _table(LOCALES).append_column("id", pa.array(range(ROWS), pa.int16()))
    table = table.replace_schema_metadata({"kept": "yes"})
    answered = _ask(table, exact_predictor(random_checkpoint(tmp_path)))
    assert answered.select(table.column_names).equals(table, check_metadata=True)
