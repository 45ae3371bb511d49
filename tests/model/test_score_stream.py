"""Blocks of a split, read again and again, against the whole split in memory."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest

from q2pt_tasks.data.splits import SPLIT
from q2pt_tasks.metrics.measurements import measure
from q2pt_tasks.metrics.scored import concatenate
from q2pt_tasks.metrics.thresholds import choose_thresholds
from q2pt_tasks.model.score_stream import ScoreStream, Selected
from q2pt_tasks.model.truth import Truth

LOCALES = ("de-DE", "fr-FR", "sv-SE")
TYPES = ("BAG", "HAT", "SHOES")


class Noise:
    """Scores that depend on the query alone, and counts how many it was asked for."""

    def __init__(self) -> None:
        self.asked = 0

    def scores(self, queries: Sequence[str], locale: str) -> np.ndarray:  # noqa: ARG002 - the scorers' common form
        self.asked += len(queries)
        numbers = [[hash((int(query[1:]), column)) % 101 / 100 for column in range(3)] for query in queries]
        return np.array(numbers, dtype=np.float32).reshape(-1, 3)


def table(start: int, rows: int) -> pa.Table:
    columns = {
        name: [f"q{start + row}" for row in range(rows)]
        if name == "query"
        else [[TYPES[(start + row) % 3]] for row in range(rows)]
        if name == "product_types"
        else [row % 2 == 0 for row in range(rows)]
        if name == "seen"
        else pa.array([1 + row % 4 for row in range(rows)]).cast(SPLIT.field(name).type)
        if name == "clicks"
        else pa.nulls(rows, SPLIT.field(name).type)
        for name in SPLIT.names
    }
    return pa.table({name: columns[name] for name in SPLIT.names}, schema=SPLIT)


@pytest.fixture
def truth(monkeypatch: pytest.MonkeyPatch) -> Truth:
    # Seven queries of three types are one block.
    monkeypatch.setattr("q2pt_tasks.model.score_stream.PAIRS_PER_BLOCK", 21)
    tables = {"de-DE": table(0, 30), "fr-FR": table(30, 0), "sv-SE": table(20, 15)}
    return Truth({"test": tables, "forward": tables}, LOCALES)


@pytest.mark.parametrize("split", ["test", "forward"])
def test_the_blocks_are_the_split_however_often_they_are_read(truth: Truth, split: str) -> None:
    scorer = Noise()
    whole = truth.scored(split, scorer)
    asked = scorer.asked
    with ScoreStream(truth, split, scorer) as stream:
        for _ in range(2):
            blocks = list(stream)
            assert max(len(block) for block in blocks) == 7
            joined = concatenate(blocks)
            for name in ("locale", "scores", "targets", "weights"):
                assert np.array_equal(getattr(joined, name), getattr(whole, name))
    assert scorer.asked == 2 * asked


def test_the_figures_are_those_of_the_whole_split_in_memory(truth: Truth) -> None:
    scorer = Noise()
    whole, seen = truth.scored("forward", scorer), truth.seen("forward")
    thresholds = choose_thresholds([whole], 0.4, min_positives=3)
    with ScoreStream(truth, "forward", scorer) as stream:
        assert choose_thresholds(stream, 0.4, min_positives=3) == thresholds
        for blocks, part in ((stream, whole), (Selected(stream, seen), whole.where(seen))):
            found = measure(blocks, thresholds, 0.4, min_support=2).measurements
            assert found == measure([part], thresholds, 0.4, min_support=2).measurements


def test_scores_beyond_memory_lie_in_a_file(truth: Truth, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("q2pt_tasks.model.stored_rows._BYTES_IN_MEMORY", 100)
    whole = truth.scored("test", Noise())
    with ScoreStream(truth, "test", Noise()) as stream:
        assert np.array_equal(concatenate(list(stream)).scores, whole.scores)


def test_the_queries_of_a_split_are_in_the_order_of_its_scores(truth: Truth) -> None:
    assert truth.queries("test") == [f"q{index}" for index in (*range(30), *range(20, 35))]
