"""The clock of a machine moves back: what serves is decided by the order of promotions, and a night by its data."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from data_path import small_project
from release_shop import ReleaseShop

from q2pt_tasks.layout import Layout
from q2pt_tasks.params_edit import edit_params
from q2pt_tasks.registry.tags import PROD
from q2pt_tasks.sources.resolve import resolve
from q2pt_tasks.stages import ingest

pytestmark = pytest.mark.chaos("clock-moved-back")


@pytest.fixture
def shop(tmp_path: Path) -> ReleaseShop:
    return ReleaseShop(tmp_path).make()


def test_a_promotion_by_a_clock_that_is_a_month_behind_serves_all_the_same(shop: ReleaseShop) -> None:
    first = shop.promote(shop.run("monday", seed=1))
    second = shop.promote(shop.run("tuesday", seed=2), day=-30)
    assert (first.version, second.version) == ("v1", "v2")
    serving = shop.serving()
    assert serving is not None
    assert serving.version == "v2"
    # What served before is found by the order too, though its tag is the newer one.
    assert shop.roll_back(day=-29).version == "v1"
    third = shop.promote(shop.run("wednesday", seed=3), day=-60)
    assert third.version == "v3"
    with shop.registry() as registry:
        moves = registry.moves(registry.refs(), PROD)
    assert [(move.number, move.version) for move in moves] == [(1, "v1"), (2, "v2"), (3, "v1"), (4, "v3")]


def test_a_clock_behind_the_log_ends_the_window_earlier_and_says_so(tmp_path: Path) -> None:
    layout = _own_log(tmp_path)
    newest = date(2026, 6, 30)
    assert "the window's last day is 2026-06-30, 1 day before today." in resolve(layout, newest + timedelta(days=1))
    assert "the window's last day is 2026-06-27, 1 day before today." in resolve(layout, newest - timedelta(days=2))
    with pytest.raises(ValueError, match="holds no event dated before today, 1970-01-01"):
        resolve(layout, date(1970, 1, 1))


def _own_log(folder: Path) -> Layout:
    layout = small_project(folder / "shop")
    ingest.main(layout)
    (layout.root / "log").mkdir()
    for file in (layout.raw / "events").glob("event_date=2*.parquet"):
        file.rename(layout.root / "log" / file.name)
    (layout.raw / "catalog.parquet").rename(layout.root / "catalog.parquet")
    own = {"source": "events", "last_day": None, "events.path": "log", "events.catalog": "catalog.parquet"}
    edit_params(layout.params, {f"ingest.{key}": value for key, value in own.items()})
    return layout
