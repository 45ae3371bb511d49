"""How long one query takes: of the checkpoints that can be asked, by queries that are the same in every run."""

from pathlib import Path

import pyarrow as pa
import pytest
from checkpoints import random_checkpoint

from q2pt_tasks.model.latency import median_milliseconds, queries_to_time
from q2pt_tasks.model.truth import Truth


def test_each_query_is_timed_alone_in_its_own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = {locale: random_checkpoint(tmp_path / locale, "non_unified", (locale,)) for locale in ("en-US", "en-GB")}
    asked = [("red hat", "en-US"), ("sofa", "en-GB"), ("lamp", "de-DE"), ("pants", "en-US")]
    clock = iter([0.0, 0.004, 1.0, 1.002, 2.0, 2.009])
    monkeypatch.setattr("q2pt_tasks.model.latency.perf_counter", lambda: next(clock))
    # That of a store without a checkpoint is not asked.
    assert median_milliseconds(folders.get, asked) == pytest.approx(4.0)
    assert next(clock, None) is None


def test_a_real_clock_gives_a_time(tmp_path: Path) -> None:
    folder = random_checkpoint(tmp_path)
    found = median_milliseconds(lambda _: folder, [("red hat", "en-US"), ("sofa", "fr-FR")])
    assert found is not None
    assert 0 < found < 10_000


def test_nothing_is_timed_where_nothing_is_asked() -> None:
    assert median_milliseconds(lambda _: Path("nowhere"), []) is None
    assert median_milliseconds(lambda _: None, [("hat", "en-US")]) is None


def test_the_queries_lie_at_equal_steps_over_all_stores() -> None:
    tables = {
        locale: pa.table({"query": [f"{locale} {n}" for n in range(6)], "product_types": [["HAT"]] * 6})
        for locale in ("en-US", "en-GB")
    }
    truth = Truth({"test": tables}, ("en-US", "en-GB"))
    assert queries_to_time(truth, 4) == [
        ("en-US 0", "en-US"),
        ("en-US 3", "en-US"),
        ("en-GB 0", "en-GB"),
        ("en-GB 3", "en-GB"),
    ]
    assert len(queries_to_time(truth, 500)) == 12
