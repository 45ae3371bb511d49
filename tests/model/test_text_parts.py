"""What a query is made of, as numbers: the parts that a plain loop finds, the same everywhere."""

import os
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from q2pt_tasks.data.queries import normalise_query
from q2pt_tasks.model.text_parts import Typed, parts_of

HARD = [
    "",
    "x",
    "red shoes",
    "shoes red",
    "日本語の検索",
    "👨‍👩‍👧 👟👟",
    "e\u0301\u0327 a\u030a",
    "กำน",
    "\x00",
    "\ud800 lone",
    "straße",
]


def _texts(query: str, longest: int) -> set[str]:
    """The parts of a query, one by one."""
    found = set()
    for word in filter(None, query.split(" ")):
        padded = f" {word} "
        lengths = range(1, longest + 1)
        found |= {padded, *(padded[i : i + n] for n in lengths for i in range(len(padded) - n + 1))}
    return found - {" "}


def _assert_as_texts(queries: list[str], longest: int) -> None:
    """There is a number for each text, and queries share as many numbers as texts."""
    parts = parts_of(Typed.somewhere(queries), longest)
    texts = [_texts(query, longest) for query in queries]
    assert parts.lengths.tolist() == [len(own) for own in texts]
    for i, j in combinations(range(len(queries)), 2):
        assert len(np.intersect1d(parts.of(i), parts.of(j))) == len(texts[i] & texts[j]), (queries[i], queries[j])


@pytest.mark.parametrize("longest", [1, 2, 3, 5, 8])
def test_any_text_has_the_parts_that_a_plain_loop_finds(longest: int) -> None:
    _assert_as_texts(HARD, longest)


@given(st.lists(st.text(alphabet="ab é日👟", max_size=12), max_size=5), st.integers(1, 7))
def test_queries_share_as_many_parts_as_texts(queries: list[str], longest: int) -> None:
    _assert_as_texts([normalise_query(query) for query in queries], longest)


def test_a_query_has_the_same_parts_alone_and_among_others() -> None:
    together = parts_of(Typed.somewhere(HARD), 5)
    for index, query in enumerate(HARD):
        alone = parts_of(Typed.somewhere([query]), 5).of(0)
        np.testing.assert_array_equal(together.of(index), alone)
        assert (np.diff(alone) > 0).all()


def test_no_queries_have_no_parts() -> None:
    assert len(parts_of(Typed.somewhere([]), 5)) == 0


def test_a_query_of_a_hundred_thousand_characters_has_its_parts() -> None:
    text = "".join(chr(0x4E00 + index % 20_000) for index in range(100_000))
    assert len(parts_of(Typed.somewhere([text]), 2).of(0)) == len(_texts(text, 2))


def test_the_numbers_are_what_stored_models_know_them_by() -> None:
    """They must never change, nor depend on the process."""
    code = (
        "from q2pt_tasks.model.text_parts import Typed, parts_of; "
        "print(parts_of(Typed.somewhere(['日本']), 1).values.tolist())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path.cwd(),
        env={**os.environ, "PYTHONHASHSEED": "7"},
    )
    assert done.stdout.strip() == "[-9099370606008346888, 467136930034347439, 1314948793158860794]"


def test_in_a_store_that_is_told_each_word_is_that_stores_word_too() -> None:
    queries = ["red pants", "red pants", "red pants", "pants"]
    parts = parts_of(Typed(queries, ["[en-US]", "[en-GB]", "", "[en-GB]"]), 3)
    us, uk, untold, short = (set(parts.of(index).tolist()) for index in range(4))
    assert untold == set(parts_of(Typed.somewhere(["red pants"]), 3).of(0).tolist())
    assert us & uk == untold
    assert len(us - untold) == len(uk - untold) == 2
    assert len((uk & short) - untold) == 1
    assert set(parts_of(Typed(["pants"], ["[en-GB]"]), 3).of(0).tolist()) == short
