from typing import Any

import pyarrow as pa
import pytest

from q2pt_tasks.data.judgements import JUDGEMENTS, JudgementsError, read_judgements

LOCALES = ("en-US", "pl-PL")


def rows(*found: tuple[Any, Any, Any]) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(JUDGEMENTS.names, row, strict=True)) for row in found], JUDGEMENTS)


def test_a_query_is_judged_in_its_normal_form_and_names_are_trimmed() -> None:
    judged = read_judgements(rows(("en-US", "  Winter  BOOTS", ["boots ", "shoes"])), LOCALES)
    assert judged.tables["en-US"].to_pylist() == [
        {"query": "winter boots", "product_types": ["boots", "shoes"], "shares": [0.5, 0.5], "clicks": 1}
    ]
    assert len(judged.tables["pl-PL"]) == 0
    assert judged.left_out == 0


def test_rows_of_locales_that_nobody_asked_for_are_counted() -> None:
    judged = read_judgements(rows(("en-US", "boots", ["boots"]), ("sv-SE", "skor", ["shoes"])), LOCALES)
    assert judged.left_out == 1
    assert sum(map(len, judged.tables.values())) == 1


def test_the_same_words_may_be_judged_in_two_stores() -> None:
    judged = read_judgements(rows(("en-US", "pants", ["trousers"]), ("pl-PL", "pants", ["underwear"])), LOCALES)
    assert [len(table) for table in judged.tables.values()] == [1, 1]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((None, "boots", ["boots"]), "row 2 has no locale"),
        (("en-US", " \u200e ", ["boots"]), "row 2 has no query"),
        (("en-US", "boots", None), "row 2 has an empty product type, or none"),
        (("en-US", "boots", []), "row 2 has an empty product type, or none"),
        (("en-US", "boots", ["boots", " "]), "row 2 has an empty product type, or none"),
        (("en-US", "boots", ["boots", "boots"]), "row 2 names a product type twice"),
        (("en-US", "KETTLE", ["boots"]), "row 2 judges a query again, after row 1"),
    ],
)
def test_a_bad_row_is_refused_by_its_number(row: tuple[Any, Any, Any], message: str) -> None:
    with pytest.raises(JudgementsError, match=message):
        read_judgements(rows(("en-US", "kettle", ["kettles"]), row), LOCALES)


def test_of_many_bad_rows_the_first_five_are_named() -> None:
    with pytest.raises(JudgementsError, match=r"row 5 has no query\. There are more\. Correct") as error:
        read_judgements(rows(*[("en-US", "", ["boots"])] * 9), LOCALES)
    assert "row 6" not in str(error.value)
