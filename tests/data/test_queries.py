import hashlib
import sys

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from q2pt_tasks.data import queries
from q2pt_tasks.data.queries import MAY_DIFFER, normalise_query, query_hash, query_position, query_positions


@pytest.mark.parametrize(
    ("typed", "normal"),
    [
        ("  Red   Shoes\t42 ", "red shoes 42"),
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("ﬁlter", "filter"),
        ("ＡＢＣ　１２", "abc 12"),
        ("cafe\u0301", "café"),
        ("\u200fشاحن\u200e", "شاحن"),
        ("👟 42", "👟 42"),
        ("ｶﾒﾗ", "カメラ"),
        ("cafe\u200f\u0301", "café"),
        ("pants\u200b", "pants"),
        ("pan\u00adts\ufeff", "pants"),
        ("👟\ufe0f", "👟"),
        ("", ""),
    ],
)
def test_a_query_has_one_normal_form(typed: str, normal: str) -> None:
    assert normalise_query(typed) == normal


def test_the_dotted_i_of_turkish_keeps_its_dot_apart() -> None:
    assert normalise_query("İPHONE") == normalise_query("i\u0307phone")


@given(st.text(st.characters() | st.sampled_from("\u200f\u200b\u00ad\ufe0f\u0301\u0345İßﬁ")))
def test_the_normal_form_is_its_own_normal_form(text: str) -> None:
    normal = normalise_query(text)
    assert normalise_query(normal) == normal


def test_the_hash_is_the_first_eight_bytes_of_md5() -> None:
    assert query_hash("pants") == int(hashlib.md5(b"pants", usedforsecurity=False).hexdigest()[:16], 16)


@given(st.text(), st.text(min_size=1))
def test_a_position_is_between_zero_and_one(query: str, salt: str) -> None:
    assert 0 <= query_position(query, salt) < 1


@given(st.lists(st.text()), st.text(min_size=1))
def test_many_positions_are_those_of_each(asked: list[str], salt: str) -> None:
    assert query_positions(asked, salt).tolist() == [query_position(query, salt) for query in asked]


def test_positions_of_another_salt_are_independent() -> None:
    asked = [f"query {number}" for number in range(2000)]
    both = sum(query_position(query, "a") < 0.5 and query_position(query, "b") < 0.5 for query in asked)
    assert 400 < both < 600


@given(st.text(st.characters(codec="ascii")))
def test_a_plain_query_is_folded_like_the_same_one_beside_an_accent(text: str) -> None:
    assert f"{normalise_query(text)} é".strip() == normalise_query(f"{text} é")


def test_a_text_that_needs_no_folding_is_told_by_its_characters() -> None:
    """Each character that Unicode has, by itself."""
    characters = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    folded = [character for character in characters if queries._is_folded(character)]
    assert len(folded) > 100_000
    assert [text for text in folded if queries._fold(text) != " ".join(text.split())] == []


@given(st.text(st.characters() | st.sampled_from("áŠ\u200f\u200b\u00ad\ufe0f\u0301\u0327\u0345\u00a0İßﬁ가각 ")))
def test_a_text_that_needs_no_folding_is_the_same_folded(text: str) -> None:
    assert not queries._is_folded(text) or queries._fold(text) == " ".join(text.split())


@given(st.text() | st.text("aZ 0-\t~\x7f", max_size=9))
def test_what_cannot_differ_is_its_own_normal_form(text: str) -> None:
    found = pc.match_substring_regex(pa.array([text], pa.string()), MAY_DIFFER)[0].as_py()
    assert found or normalise_query(text) == text


@pytest.mark.parametrize("text", ["red shoes", "size 42, a-b (new)~", ""])
def test_most_queries_cannot_differ(text: str) -> None:
    assert not pc.match_substring_regex(pa.array([text]), MAY_DIFFER)[0].as_py()
