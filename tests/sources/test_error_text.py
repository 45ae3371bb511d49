"""What libraries say ends in logs: never a cell, never a password."""

import pytest

from q2pt_tasks.sources.error_text import first_line, said, said_of_rows


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Cannot cast string 'jane doe' to value of Date32 type", "Cannot cast string …"),
        ('invalid input syntax for type integer: "jane "the" doe"', "invalid input syntax for type integer: …"),
        ("can't parse `jane doe`", "can't parse …"),
        ("no such token'jane doe'", "no such token…"),
        ("broken: b'jane doe'", "broken: b…"),
        ("cannot read 't shirt jane'", "cannot read …"),
        (
            "Generic error\n\x1b[31m↳\x1b[0m  Object at /log/x.parquet not found",
            "Generic error Object at /log/x.parquet not found",
        ),
    ],
)
def test_no_cell_is_repeated(text: str, shown: str) -> None:
    assert said_of_rows(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no catalog at mysql://shop:s3cret@db/ice", "no catalog at mysql://…@db/ice"),
        ("no catalog at mysql://shop:s3/cr@et@db/ice", "no catalog at mysql://…@db/ice"),
        ("GET https://a.example/x?sig=s3cret&x=1 failed", "GET https://a.example/x?… failed"),
        ("role 'shop' \x1b]2;x is unknown", "role 'shop' ␛]2;x is unknown"),
    ],
)
def test_no_password_is_repeated_and_nothing_moves_the_cursor(text: str, shown: str) -> None:
    assert said(text) == shown


def test_a_long_error_shows_how_it_begins_and_how_it_ends() -> None:
    shown = said(f"tried {'x' * 1000} because of this")
    assert shown.startswith("tried xx")
    assert shown.endswith("x because of this")
    assert len(shown) == 401
    assert said("://" + "x" * 399 + "@db") == "://…@db", "taken out before it is cut"


def test_the_first_line_is_whole() -> None:
    assert first_line(ValueError("x" * 999 + "\nDETAIL: jane doe")) == "x" * 999
