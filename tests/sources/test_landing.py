"""What stays in the folder where logs from elsewhere are landed, and what goes."""

import os
import time
from pathlib import Path

import pytest

from q2pt_tasks.sources.landing import sweep

LANDED = "0" * 32 + "-event_date=2026-06-30.parquet"


def put(file: Path, days: float) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("queries")
    for path in (file, *file.parents[:2]):
        os.utime(path, (time.time() - days * 86400,) * 2)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_what_a_killed_night_left_is_removed_after_a_week(tmp_path: Path) -> None:
    folder = tmp_path / "landing"
    put(folder / ".landing-old/log/day.parquet", 8)
    put(folder / ".landing-new/log/day.parquet", 6)
    put(folder / LANDED, 8)
    put(folder / "notes.txt", 8)
    sweep(folder)
    assert names(folder) == {".landing-new", "notes.txt"}


def test_two_nights_may_sweep_at_the_same_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "landing"
    put(folder / LANDED, 8)
    put(folder / ".landing-old/log/day.parquet", 8)
    seen = [*folder.iterdir(), folder / ("1" * 32 + "-gone.parquet")]
    monkeypatch.setattr(Path, "iterdir", lambda _: iter(seen))
    sweep(folder)
    assert os.listdir(folder) == []
