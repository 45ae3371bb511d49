"""Labelled queries stay in their files until a store is asked for."""

import gc
import tracemalloc
import weakref
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from q2pt_tasks.data.splits import SPLIT
from q2pt_tasks.engine.tables import write_table
from q2pt_tasks.layout import SPLITS, Layout
from q2pt_tasks.model.baselines import MajorityClass
from q2pt_tasks.model.examples import FloatMatrix
from q2pt_tasks.model.truth import FORWARD, JUDGEMENTS, ByLocale, LabeledQueries, Truth, read_truth

CLICKS = {"de-DE": [7, 1], "sv-SE": [400]}
LOCALES = ("fr-BE", "en-US", "de-DE")


def _table(split: str, locale: str, rows: int) -> pa.Table:
    queries = [
        {
            "query": f"{locale} {split} {row}",
            "product_types": [f"{split} {row % 3}", locale],
            "shares": [0.5, 0.5],
            "clicks": row,
            "seen": row % 2 == 0,
        }
        for row in range(rows)
    ]
    return pa.Table.from_pylist(queries, SPLIT)


def test_what_is_read_from_files_is_what_lies_in_memory(tmp_path: Path) -> None:
    layout, rows = Layout(tmp_path), {"fr-BE": 4, "en-US": 5, "de-DE": 0}
    tables = {split: {locale: _table(split, locale, rows[locale]) for locale in LOCALES} for split in SPLITS}
    for split, own in tables.items():
        for locale, table in own.items():
            write_table(table, layout.split(locale, split))
    stored, held = read_truth(layout, LOCALES), Truth(tables, LOCALES)
    assert (stored.types, stored.rows, stored.marked) == (held.types, held.rows, held.marked)
    assert stored.types == tuple(sorted(["fr-BE", "en-US", *(f"{split} {n}" for split in SPLITS for n in range(3))]))
    assert stored.training_rows("fr-BE") == 4
    for split in SPLITS:
        assert dict(stored.labeled(split)) == dict(held.labeled(split))
        assert stored.queries(split) == held.queries(split)
        assert stored.seen(split).tolist() == held.seen(split).tolist()
        parts = zip(stored.parts(split, 2), held.parts(split, 2), strict=True)
        assert all(one.table.equals(other.table) for one, other in parts)


def test_who_goes_from_store_to_store_holds_two_at_most() -> None:
    made: list[weakref.ref[LabeledQueries]] = []

    def make(locale: str) -> LabeledQueries:
        one = LabeledQueries([locale], [[]])
        made.append(weakref.ref(one))
        return one

    most = 0
    for one in ByLocale([str(number) for number in range(9)], make).values():
        gc.collect()
        most = max(most, sum(ref() is not None for ref in made))
        assert one.queries
    assert len(made) == 9
    assert most <= 2


def test_a_store_that_is_not_asked_about_is_not_read() -> None:
    with pytest.raises(KeyError, match="pl-PL"):
        ByLocale(LOCALES, str)["pl-PL"]


def test_the_baselines_do_not_hold_a_number_for_every_query_and_type() -> None:
    types = [f"TYPE {number}" for number in range(20_000)]
    train = {"en-US": LabeledQueries([str(n) for n in range(2_000)], [[types[n]] for n in range(2_000)])}
    tracemalloc.start()
    try:
        MajorityClass(train, types)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # All of them would be 320 MB.
    assert most < 20e6


class Even:
    """A scorer that knows nothing."""

    def scores(self, queries: Sequence[str], locale: str) -> FloatMatrix:  # noqa: ARG002 - the scorers' common form
        return np.zeros((len(queries), 1), dtype=np.float32)


def _clicked(clicks: list[int]) -> pa.Table:
    known = {"query": [f"query {n}" for n in clicks], "product_types": [["HAT"]] * len(clicks), "clicks": clicks}
    columns = [pa.array(known.get(field.name, [None] * len(clicks)), field.type) for field in SPLIT]
    return pa.Table.from_arrays(columns, schema=SPLIT)


@pytest.mark.parametrize("split", ["validation", "test", FORWARD, JUDGEMENTS])
def test_queries_of_the_newest_days_count_as_often_as_they_were_clicked_and_all_others_once(split: str) -> None:
    truth = Truth({split: {locale: _clicked(clicks) for locale, clicks in CLICKS.items()}}, tuple(CLICKS))
    weights = truth.scored(split, Even()).weights
    assert list(weights) == ([7, 1, 400] if split == FORWARD else [1, 1, 1])
