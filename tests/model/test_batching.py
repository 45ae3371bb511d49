import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from q2pt_tasks.model.batching import (
    batch_size_for,
    insert_locale_tokens,
    make_batch,
    micro_batches,
    pad,
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


def test_one_long_query_does_not_pad_the_short_ones() -> None:
    tokens = Packed.pack([[1, 2]] * 63 + [[1] * 30])
    widths = [pad(tokens, piece, 0)[0].shape[1] for piece in micro_batches(np.arange(64), tokens.lengths, 32)]
    assert widths == [2, 30]


def test_padding_is_masked() -> None:
    token_ids, mask = pad(Packed.pack([[5, 6, 7], [8]]), np.array([0, 1]), pad_token=9)
    assert token_ids.tolist() == [[5, 6, 7], [8, 9, 9]]
    assert mask.tolist() == [[True, True, True], [True, False, False]]


def test_targets_have_a_one_for_each_label_and_none_for_a_query_without() -> None:
    examples = Examples(Packed.pack([[1], [2], [3]]), Packed.pack([[0, 2], [], [1]]), np.zeros(3, dtype=np.int64))
    batch = make_batch(examples, np.array([2, 0, 1]), pad_token=0, product_types=3)
    assert batch.targets.tolist() == [[0, 1, 0], [1, 0, 1], [0, 0, 0]]
    assert len(batch) == 3


def test_the_locale_token_stands_after_the_first_token() -> None:
    tokens = insert_locale_tokens(Packed.pack([[1, 5, 2], [1, 2], [1, 6, 7, 2]]), np.array([90, 91, 92]))
    assert [tokens.of(row).tolist() for row in range(3)] == [[1, 90, 5, 2], [1, 91, 2], [1, 92, 6, 7, 2]]
