"""The clock of a machine moves back: what serves is decided by the order of promotions, and a night by its data."""

import os
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
from data_path import small_project
from night_shop import START, NightShop
from release_shop import ReleaseShop
from stage_repository import make_worker

from q2pt_tasks.layout import Layout
from q2pt_tasks.memo import Memo
from q2pt_tasks.model.state_store import FORGOTTEN_SECONDS, StateFolder
from q2pt_tasks.orchestration.clone import private_clone
from q2pt_tasks.orchestration.clone import sweep as sweep_clones
from q2pt_tasks.params_edit import edit_params
from q2pt_tasks.registry.prune import look, remove
from q2pt_tasks.registry.release import Store
from q2pt_tasks.registry.retention import Policy
from q2pt_tasks.registry.tags import PROD
from q2pt_tasks.sources.landing import land_file
from q2pt_tasks.sources.landing import sweep as sweep_landing
from q2pt_tasks.sources.resolve import resolve
from q2pt_tasks.stages import ingest

WEEKS = timedelta(days=30)
DAY = 86400.0
LANDED = "0" * 32 + "-event_date=2026-06-30.parquet"

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


@pytest.fixture
def behind(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Sets this process's clock weeks back."""
    sound = time.time

    def set_back() -> None:
        monkeypatch.setattr(time, "time", lambda: sound() - WEEKS.total_seconds())

    return set_back


def test_no_clock_has_a_sweep_remove_what_a_night_has_just_used(tmp_path: Path, behind: Callable[[], None]) -> None:
    """Files are dated by the clock of who wrote them, here of another machine, and swept by one that is behind."""
    place, landing, states = tmp_path / "place", tmp_path / "landing", tmp_path / "states"
    Memo(str(place)).fill(lambda: {"key": "a"}, tmp_path / "made", lambda folder: _write(folder / "one"))
    landing.mkdir()
    _write(tmp_path / "unsorted")
    landed = land_file(tmp_path / "unsorted", landing / LANDED)
    (landing / ".landing-tonight").mkdir()
    store = StateFolder(states)
    store.put("a" * 64, _write)
    before = _files(tmp_path)
    behind()
    Memo(str(place)).sweep()
    sweep_landing(landing)
    store.sweep(FORGOTTEN_SECONDS)
    # Another training saves beside it.
    store.put("b" * 64, _write)
    assert _files(tmp_path) == before | {states / f"{'b' * 64}.safetensors"}
    assert landed.read_text() == "content"
    assert Memo(str(place)).recall({"key": "a"}, tmp_path / "recalled")
    assert store.fetch("a" * 64, tmp_path / "fetched")


@pytest.mark.parametrize("days", [-WEEKS.days, WEEKS.days], ids=["the clone is older", "the clone is newer"])
def test_a_clone_in_use_is_swept_by_no_clock(tmp_path: Path, days: int) -> None:
    worker = make_worker(tmp_path)
    with private_clone(worker.settings, worker.commit) as clone:
        moment = time.time() + days * DAY
        os.utime(clone.parent, (moment, moment))
        assert sweep_clones(worker.settings) == []
        assert (clone / "source.txt").is_file()


def test_a_prune_by_a_clock_that_is_behind_removes_nothing_of_a_sound_ones_last_nights(tmp_path: Path) -> None:
    shop = NightShop(tmp_path, Store(str(tmp_path / "remote"))).make()
    for name, day in {"old": 10, "released": 50, "last": 98, "tonight": 100}.items():
        shop.night(name, day)
    shop.release("released", 51)
    policy = Policy(1, timedelta(days=7), timedelta(days=30), frozenset({"data/raw"}))
    now = START + timedelta(days=100)
    for moment in (now - WEEKS, now):
        removal = look(shop.place(), policy, moment)
        remove(shop.place(), removal, policy, moment)
        assert set(removal.branches[shop.url]) <= {"run/old", "run/released"}
        for name in ("last", "tonight"):
            assert f"refs/heads/run/{name}" in shop.refs()
            whole = [shop.whole(store, md5) for store in shop.place().stores for md5 in shop.outs(name).values()]
            assert all(whole), name
    # What is old goes as soon as the clock is right.
    assert "refs/heads/run/old" not in shop.refs()


def _write(file: Path) -> None:
    file.write_text("content")


def _files(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


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
