"""What a training asks of its validation queries is exact in blocks, and takes the memory of a block."""

import tracemalloc

import numpy as np
import pytest

from q2pt_tasks.metrics.curves import pooled_curve
from q2pt_tasks.metrics.recall_at_precision import curve
from q2pt_tasks.metrics.scored import concatenate
from q2pt_tasks.model import stored_rows as stored_rows_module
from q2pt_tasks.model import validation as module
from q2pt_tasks.model.examples import Examples, FloatMatrix, Packed
from q2pt_tasks.model.stored_rows import StoredRows
from q2pt_tasks.model.validation import Validation

LOCALES = ("de-DE", "en-GB")


def _validation(queries: int, types: int) -> Validation:
    """Queries of two locales in turn; every third means two types, every fifth none that the model knows."""
    random = np.random.default_rng(0)
    labels = [sorted({int(kind) for kind in random.integers(0, types, 1 + (row % 3 == 0))}) for row in range(queries)]
    labels[::5] = [[] for _ in labels[::5]]
    packed = Packed.pack(labels)
    shares = np.ones(len(packed.values), dtype=np.float32)
    locales = np.arange(queries) % 2
    examples = Examples(Packed.pack([[1, 2]] * queries), packed, shares, locales)
    return Validation(examples, LOCALES, tuple(f"TYPE_{number}" for number in range(types)))


def _scores(block: range, types: int) -> FloatMatrix:
    """Of a query's own, the same whenever it is asked; many of them equal."""
    rows = np.arange(block.start, block.stop)[:, None]
    return ((rows * 7919 + np.arange(types) * 104729) % 97 / 97).astype(np.float32)


@pytest.mark.parametrize("pairs", [1, 100, 1 << 24])
def test_the_curve_of_blocks_is_that_of_all_at_once(monkeypatch: pytest.MonkeyPatch, pairs: int) -> None:
    monkeypatch.setattr(module, "_PAIRS_PER_BLOCK", pairs)
    validation = _validation(101, 7)
    blocks = validation.scored(lambda block: _scores(block, 7))
    whole = concatenate(list(blocks))
    np.testing.assert_array_equal(whole.scores, _scores(range(101), 7))
    np.testing.assert_array_equal(whole.locale, validation.examples.locales)
    means = [set(np.flatnonzero(row).tolist()) for row in whole.targets]
    assert means == [set(validation.examples.labels.of(row).tolist()) for row in range(101)]
    ours, theirs = pooled_curve(blocks), curve(whole.scores, whole.targets)
    assert ours.total == theirs.total == len(validation.examples.labels.values)
    np.testing.assert_array_equal(ours.thresholds, theirs.thresholds)
    np.testing.assert_array_equal(ours.true_positives, theirs.true_positives)
    np.testing.assert_array_equal(ours.false_positives, theirs.false_positives)


@pytest.mark.parametrize("in_memory", [1, 1 << 28])
def test_what_is_stored_is_read_again(monkeypatch: pytest.MonkeyPatch, in_memory: int) -> None:
    monkeypatch.setattr(stored_rows_module, "_BYTES_IN_MEMORY", in_memory)
    monkeypatch.setattr(module, "_PAIRS_PER_BLOCK", 100)
    asked: list[range] = []

    def values(block: range) -> FloatMatrix:
        asked.append(block)
        return _scores(block, 7)

    validation = _validation(101, 7)
    read = validation.store(values)
    assert [row for block in asked for row in block] == list(range(101))
    for _ in range(2):
        for block in (range(3, 90), *validation.blocks(), range(0)):
            np.testing.assert_array_equal(read(block), _scores(block, 7))
    assert len(asked) == 8


def test_rows_that_are_not_there_are_not_read() -> None:
    stored = StoredRows([np.ones((3, 2), dtype=np.float32)], 2)
    with pytest.raises(IndexError, match=r"rows 2 to 4 were asked for, and 8 of their 16 bytes are there"):
        stored.read(2, 4)


def test_memory_is_that_of_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    queries, types = 20_000, 500
    monkeypatch.setattr(stored_rows_module, "_BYTES_IN_MEMORY", 1 << 20)
    monkeypatch.setattr(module, "_PAIRS_PER_BLOCK", 1 << 17)
    validation = _validation(queries, types)
    tracemalloc.start()
    read = validation.store(lambda block: _scores(block, types))
    found = pooled_curve(validation.scored(read))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.total == len(validation.examples.labels.values)
    assert peak < 4 * queries * types / 2
