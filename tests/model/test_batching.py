import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from q2pt_tasks.model.batching import (
    batch_size_for,
    insert_locale_tokens,
    make_batch,
    micro_batches,
    packed_tokens,
    shuffled_batches,
)
from q2pt_tasks.model.examples import Examples, Packed


@pytest.mark.parametrize(
    ("rows", "batch_size", "min_steps", "expected"),
    [(1_000_000, 2048, 50, 2048), (30_000, 2048, 50, 600), (300, 2048, 50, 6), (10, 2048, 50, 1), (0, 2048, 50, 1)],
)
def test_a_batch_is_capped_so_that_a_small_store_gets_its_steps(
    rows: int, batch_size: int, min_steps: int, expected: int
) -> None:
    assert batch_size_for(rows, batch_size, min_steps) == expected


@given(st.integers(0, 500), st.integers(1, 64))
def test_an_epoch_has_every_row_once(rows: int, size: int) -> None:
    batches = list(shuffled_batches(rows, size, np.random.default_rng(0)))
    assert sorted(np.concatenate([[], *batches])) == list(range(rows))
    assert all(len(batch) <= size for batch in batches)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=80), st.integers(1, 16))
def test_pieces_of_a_batch_hold_its_rows_in_order_of_length(lengths: list[int], size: int) -> None:
    rows = np.arange(len(lengths))[::-1]
    pieces = list(micro_batches(rows, np.array(lengths), size))
    assert sorted(np.concatenate(pieces)) == list(range(len(lengths)))
    in_order = np.array(lengths)[np.concatenate(pieces)]
    assert (np.diff(in_order) >= 0).all()


def test_packed_tokens_tell_places_and_runs_of_equal_length() -> None:
    tokens = packed_tokens(Packed.pack([[5, 6], [7, 8], [9, 9, 9], [4, 4]]))
    assert tokens.ids.tolist() == [5, 6, 7, 8, 9, 9, 9, 4, 4]
    assert tokens.positions.tolist() == [0, 1, 0, 1, 0, 1, 2, 0, 1]
    assert tokens.first.tolist() == [0, 2, 4, 7]
    assert tokens.runs == ((2, 2), (1, 3), (1, 2))
    assert len(tokens) == 4


def test_no_queries_are_no_tokens() -> None:
    tokens = packed_tokens(Packed.pack([]))
    assert (len(tokens), tokens.runs) == (0, ())


@given(st.lists(st.lists(st.integers(0, 9), max_size=4), min_size=1, max_size=9), st.data())
def test_selected_lists_are_those_of_their_rows(lists: list[list[int]], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.integers(0, len(lists) - 1), max_size=12))
    chosen = Packed.pack(lists).select(np.array(rows, dtype=np.int64))
    assert [chosen.of(index).tolist() for index in range(len(rows))] == [lists[row] for row in rows]


def test_targets_have_a_one_for_each_label_and_none_for_a_query_without() -> None:
    examples = Examples(Packed.pack([[1], [2], [3]]), Packed.pack([[0, 2], [], [1]]), np.zeros(3, dtype=np.int64))
    batch = make_batch(examples, np.array([2, 0, 1]), product_types=3)
    assert batch.targets.tolist() == [[0, 1, 0], [1, 0, 1], [0, 0, 0]]
    assert len(batch.tokens) == 3


def test_the_locale_token_stands_after_the_first_token() -> None:
    tokens = insert_locale_tokens(Packed.pack([[1, 5, 2], [1, 2], [1, 6, 7, 2]]), np.array([90, 91, 92]))
    assert [tokens.of(row).tolist() for row in range(3)] == [[1, 90, 5, 2], [1, 91, 2], [1, 92, 6, 7, 2]]
