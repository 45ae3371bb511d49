"""What contestants are trained on."""

from pathlib import Path

import numpy as np

from benchmarks.performance.rows import Lists, Rows, draw, join, load_rows, thin


def _rows() -> Rows:
    tokens = join([np.array([5, 6]), np.array([7]), np.array([8, 9, 10])])
    labels = join([np.array([0]), np.array([1, 2]), np.array([], dtype=np.int64)])
    return Rows(tokens, labels, np.array([0, 0, 1]), types=3)


def test_rows_come_back_from_a_file(tmp_path: Path) -> None:
    _rows().save(tmp_path / "rows.npz")
    read = load_rows(tmp_path / "rows.npz")
    assert [_rows().tokens.of(index).tolist() for index in range(3)] == [read.tokens.of(i).tolist() for i in range(3)]
    assert read.targets(1).tolist() == [0, 1, 1]
    assert read.priors.tolist() == [1 / 3, 1 / 3, 1 / 3]
    assert read.types == 3


def test_chosen_rows_keep_what_belongs_to_them() -> None:
    chosen = _rows().select(np.array([2, 0]))
    assert chosen.tokens.lengths.tolist() == [3, 2]
    assert chosen.labels.lengths.tolist() == [0, 1]
    assert chosen.locales.tolist() == [1, 0]


def test_a_draw_passes_over_all_rows_before_one_comes_again() -> None:
    drawn = draw(available=5, queries=12, seed=1)
    assert sorted(drawn[:5]) == sorted(drawn[5:10]) == list(range(5))
    assert len(drawn) == 12
    assert np.array_equal(drawn, draw(5, 12, seed=1))
    assert not np.array_equal(drawn, draw(5, 12, seed=2))


def test_thinned_batches_are_short_and_long_ones_as_in_the_epoch() -> None:
    lengths = np.repeat([9, 3, 8, 4, 2], 10)
    kept = thin(np.arange(50), lengths, piece=10, pieces=5)
    assert kept.tolist() == list(range(50))
    assert lengths[thin(np.arange(50), lengths, piece=10, pieces=1)].tolist() == [4] * 10
    assert lengths[thin(np.arange(45), lengths, piece=10, pieces=2)].tolist() == [9] * 10 + [4] * 10


def test_no_lists_are_a_list_of_none() -> None:
    assert len(join([])) == 0
    assert isinstance(join([]), Lists)
