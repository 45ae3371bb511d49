import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny import LOCALES

from q2pt_tasks.data.labels import LABELS
from q2pt_tasks.data.splits import HISTORY_SPLITS, SplitLeakError, with_seen
from q2pt_tasks.engine.tables import write_table
from q2pt_tasks.layout import Layout
from q2pt_tasks.params import ParamsError, read_section
from q2pt_tasks.stages.split import SplitParams, run


def _params(finished: Layout, **changes: Any) -> SplitParams:  # noqa: ANN401 - values of any key
    return read_section(finished.params, "split", SplitParams).model_copy(update=changes)


@pytest.fixture
def labeled(finished: Layout, tmp_path: Path) -> Layout:
    """A project with the labels of the finished one."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/labeled").symlink_to(finished.labeled.resolve())
    return Layout(tmp_path)


def _rows(layout: Layout, locale: str, split: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.ParquetFile(layout.split(locale, split)).read().to_pylist()
    return rows


@pytest.mark.parametrize("key", ["keep_share", "keep_queries"])
def test_a_sample_of_a_locale_that_the_shop_does_not_have_is_refused(finished: Layout, key: str) -> None:
    with pytest.raises(ParamsError, match=rf"split.{key} names \['pl-PL'\], not among locales"):
        run(finished, _params(finished, **{key: {"pl-PL": 1}}), LOCALES)


def test_a_store_is_left_out_of_training_and_its_test_set_stays(finished: Layout, labeled: Layout) -> None:
    run(labeled, _params(finished, keep_queries={"fr-BE": 0}), LOCALES)
    assert _rows(labeled, "fr-BE", "train") == _rows(labeled, "fr-BE", "validation") == []
    assert _rows(labeled, "fr-BE", "test") == _rows(finished, "fr-BE", "test")
    assert _rows(labeled, "en-US", "train") == _rows(finished, "en-US", "train")


def test_noise_is_in_the_training_labels_alone(finished: Layout, labeled: Layout) -> None:
    run(labeled, _params(finished, flip_labels=0.5), LOCALES)
    assert _rows(labeled, "en-US", "train") != _rows(finished, "en-US", "train")
    for split in ("validation", "test", "forward"):
        assert _rows(labeled, "en-US", split) == _rows(finished, "en-US", split)


def test_censuses_count_what_is_trained_on_and_stay_where_it_stays(finished: Layout, labeled: Layout) -> None:
    run(labeled, _params(finished, keep_queries={"fr-BE": 0}), LOCALES)
    whole = json.loads(labeled.census(None).read_text())
    assert set(whole) == set(LOCALES)
    assert json.loads(labeled.census("en-US").read_text()) == {"en-US": whole["en-US"]}
    assert labeled.census("en-US").read_bytes() == finished.census("en-US").read_bytes()
    assert whole["fr-BE"]["labels"] == {}
    rows = _rows(labeled, "en-US", "train")
    assert sum(whole["en-US"]["labels"].values()) == sum(len(row["product_types"]) for row in rows)


def test_a_leak_stops_the_stage_and_leaves_no_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule by which a query's side were not that of its text in another store."""
    layout, row = Layout(tmp_path), {"query": "pants", "product_types": ["PANTS"], "shares": [1.0], "clicks": 5}
    for locale in ("en-US", "en-GB"):
        for period in ("history", "forward"):
            write_table(pa.Table.from_pylist([row], LABELS), layout.labeled / period / f"locale={locale}.parquet")
    sides = iter(["train", "test"])

    def divide_by_store(history: pa.Table, *_: object) -> dict[str, pa.Table]:
        side = next(sides)
        return {
            name: with_seen(history if name == side else LABELS.empty_table(), seen=False) for name in HISTORY_SPLITS
        }

    monkeypatch.setattr("q2pt_tasks.stages.split.divide", divide_by_store)
    with pytest.raises(SplitLeakError, match="a query is in train and in test; its text is 'pants'"):
        run(layout, read_section(Path("params.yaml"), "split", SplitParams), ["en-US", "en-GB"])
    assert not layout.splits.exists()
