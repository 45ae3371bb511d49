import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from q2pt_tasks.model.batching import (
    ROW_TOKENS,
    PackedTokens,
    batch_size_for,
    batches,
    insert_locale_tokens,
    packed_tokens,
    pieces_of,
    shares_of,
    stretches,
)
from q2pt_tasks.model.examples import Examples, Packed

INPUTS = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=40), min_size=1, max_size=120)


@pytest.mark.parametrize(
    ("rows", "batch_size", "min_steps", "expected"),
    [(1_000_000, 2048, 50, 2048), (30_000, 2048, 50, 600), (300, 2048, 50, 6), (10, 2048, 50, 1), (0, 2048, 50, 1)],
)
def test_a_batch_is_capped_so_that_a_small_store_gets_its_steps(
    rows: int, batch_size: int, min_steps: int, expected: int
) -> None:
    assert batch_size_for(rows, batch_size, min_steps) == expected


@given(st.integers(0, 500), st.integers(1, 64))
def test_batches_are_all_rows_in_their_order(rows: int, size: int) -> None:
    order = np.random.default_rng(0).permutation(rows)
    found = list(batches(order, size))
    assert np.concatenate([[], *found]).tolist() == order.tolist()
    assert all(len(batch) == size for batch in found[:-1])
    assert all(0 < len(batch) <= size for batch in found)


def _queries(tokens: PackedTokens) -> list[list[int]]:
    """The queries as they stand in the rows, by the places of their first tokens, with their places checked."""
    ids, positions, owners = (part.flatten().tolist() for part in (tokens.ids, tokens.positions, tokens.owners))
    assert [owner for owner in owners if owner >= 0].count(0) == owners.count(0)
    found = []
    for index, first in enumerate(tokens.first.tolist()):
        length = owners.count(index)
        assert owners[first : first + length] == [index] * length
        assert positions[first : first + length] == list(range(length))
        # A query does not go on in the next row.
        assert first // tokens.ids.shape[1] == (first + length - 1) // tokens.ids.shape[1]
        found.append(ids[first : first + length])
    return found


@given(INPUTS)
def test_packed_tokens_hold_every_query_in_one_row_in_order(inputs: list[list[int]]) -> None:
    tokens = packed_tokens(Packed.pack(inputs))
    assert _queries(tokens) == inputs
    assert len(tokens) == len(inputs)


def test_one_query_gets_a_row_of_its_own_length() -> None:
    tokens = packed_tokens(Packed.pack([[5, 6, 7]]))
    assert tokens.ids.tolist() == [[5, 6, 7]]


def test_no_queries_are_no_tokens() -> None:
    assert len(packed_tokens(Packed.pack([]))) == 0
    assert list(pieces_of(Packed.pack([]), np.zeros(0, np.int64), 100)) == []


def test_next_to_nothing_of_the_rows_stays_empty() -> None:
    lengths = np.clip(np.random.default_rng(0).poisson(5.4, 2048) + 2, 3, 33)
    tokens = packed_tokens(Packed.pack([[1] * length for length in lengths]))
    assert tokens.ids.shape[1] == ROW_TOKENS
    assert (tokens.owners < 0).sum() < 0.02 * lengths.sum()


@given(INPUTS, st.integers(1, 200), st.data())
def test_pieces_of_a_batch_hold_each_of_its_rows_once(
    inputs: list[list[int]], max_tokens: int, data: st.DataObject
) -> None:
    rows = np.array(data.draw(st.permutations(range(len(inputs)))), dtype=np.int64)
    pieces = list(pieces_of(Packed.pack(inputs), rows, max_tokens))
    assert sorted(np.concatenate([piece.rows for piece in pieces]).tolist()) == sorted(rows.tolist())
    for piece in pieces:
        queries = _queries(piece.tokens)
        assert [queries[index] for index in piece.inputs] == [inputs[row] for row in piece.rows]
        assert piece.tokens.ids.numel() <= max(max_tokens, piece.tokens.ids.shape[1])
    # Identical inputs are computed once, wherever they stand in the batch.
    computed = [tuple(query) for piece in pieces for query in _queries(piece.tokens)]
    assert sorted(computed) == sorted(set(map(tuple, inputs)))
    # All pieces have the same shape, give or take a row.
    heights = {piece.tokens.ids.shape[0] for piece in pieces}
    assert max(heights) - min(heights) <= 1


@pytest.mark.parametrize("processes", [1, 2, 3, 8])
def test_every_process_gets_as_many_pieces_of_the_same_size(processes: int) -> None:
    lengths = np.clip(np.random.default_rng(0).poisson(5.4, 2048) + 2, 3, 33)
    tokens = Packed.pack([[row, *[1] * (length - 1)] for row, length in enumerate(lengths)])
    pieces = list(pieces_of(tokens, np.arange(2048), 2048, processes))
    assert len(pieces) % processes == 0
    assert len(pieces) < 2048 * 8 / 2048 + processes
    heights = [piece.tokens.ids.shape[0] for piece in pieces]
    assert max(heights) - min(heights) <= 1


def test_one_long_query_among_many_short_ones_fits() -> None:
    inputs = [[1] * 30, *([2, row] for row in range(1000))]
    (piece,) = pieces_of(Packed.pack(inputs), np.arange(1001), 1 << 20)
    assert piece.tokens.ids.numel() < 1.05 * (30 + 2000)


def test_stretches_are_all_examples_in_order() -> None:
    assert np.concatenate(list(stretches(10_000))).tolist() == list(range(10_000))
    assert list(stretches(0)) == []


@given(st.lists(st.lists(st.integers(0, 9), max_size=4), min_size=1, max_size=9), st.data())
def test_selected_lists_are_those_of_their_rows(lists: list[list[int]], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.integers(0, len(lists) - 1), max_size=12))
    chosen = Packed.pack(lists).select(np.array(rows, dtype=np.int64))
    assert [chosen.of(index).tolist() for index in range(len(rows))] == [lists[row] for row in rows]


def test_shares_stand_at_their_types_and_a_query_without_a_type_has_none() -> None:
    labels = Packed.pack([[2, 0], [], [1]])
    examples = Examples(labels, labels, np.array([0.75, 0.25, 1.0], dtype=np.float32), np.zeros(3, dtype=np.int64))
    shares = shares_of(examples, np.array([2, 0, 1, 0]), product_types=3)
    assert shares.tolist() == [[0, 1, 0], [0.25, 0, 0.75], [0, 0, 0], [0.25, 0, 0.75]]


def test_the_locale_token_stands_after_the_first_token() -> None:
    tokens = insert_locale_tokens(Packed.pack([[1, 5, 2], [1, 2], [1, 6, 7, 2]]), np.array([90, 91, 92]))
    assert [tokens.of(row).tolist() for row in range(3)] == [[1, 90, 5, 2], [1, 91, 2], [1, 92, 6, 7, 2]]
