"""A shop's log arrives twice, with gaps, late, in another order, cut off, without a store, or full of bots."""

import json
import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from data_path import SMALL, small_project, written

from q2pt_tasks import cli
from q2pt_tasks.data.floods import FLOOD
from q2pt_tasks.data.queries import normalise_query
from q2pt_tasks.layout import Layout
from q2pt_tasks.params_edit import edit_params
from q2pt_tasks.sources.resolve import resolve
from q2pt_tasks.stages import ingest

LAST_DAY = date(2026, 6, 30)
DAYS = [LAST_DAY - timedelta(days=back) for back in reversed(range(8))]
DATA_STAGES = ("resolve", "ingest", "validate")
Run = Callable[..., tuple[int, str]]


def log_file(layout: Layout, day: date) -> Path:
    return layout.root / f"log/{day}.parquet"


def change(layout: Layout, day: date, edit: Callable[[pa.Table], pa.Table]) -> None:
    """Writes another table in place of a day's file."""
    file = log_file(layout, day)
    pq.write_table(edit(pq.ParquetFile(file).read()), file)


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """A shop's own log, a file for each day, which nobody has damaged."""
    layout = small_project(tmp_path_factory.mktemp("pattern"))
    ingest.main(layout)
    (layout.root / "log").mkdir()
    for day in DAYS:
        file = layout.raw / f"events/event_date={day}.parquet"
        pq.write_table(pq.ParquetFile(file).read(), log_file(layout, day))
    shutil.copyfile(layout.raw / "catalog.parquet", layout.root / "catalog.parquet")
    own = {"source": "events", "last_day": None, "events.path": "log", "events.catalog": "catalog.parquet"}
    edit_params(layout.params, {**SMALL, **{f"ingest.{key}": value for key, value in own.items()}})
    shutil.rmtree(layout.raw)
    return layout


@pytest.fixture
def shop(pattern: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    layout = Layout(tmp_path / "shop")
    shutil.copytree(pattern.root, layout.root)
    monkeypatch.chdir(layout.root)
    return layout


@pytest.fixture(scope="module")
def sound(pattern: Layout, tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """The same after the stages up to the labels."""
    layout = Layout(tmp_path_factory.mktemp("sound") / "shop")
    shutil.copytree(pattern.root, layout.root)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(layout.root)
        for stage in (*DATA_STAGES, "label"):
            cli.main([stage])
    return layout


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Run:
    """Runs commands as a person does; the exit code, and what stands on the terminal."""

    def call(*commands: str) -> tuple[int, str]:
        code = 0
        caplog.clear()
        for command in commands:
            try:
                cli.main([command])
            except SystemExit as stopped:
                code = int(stopped.code or 0)
                break
        # Here pytest has the log; a person has it on the terminal too.
        said = "".join([*capfd.readouterr(), caplog.text])
        assert "Traceback" not in said
        return code, said

    return call


def valid_files(layout: Layout) -> dict[str, bytes]:
    return {name: content for name, content in written(layout, "validate").items() if name.startswith("data/valid")}


def rows_of(folder: Path) -> list[dict[str, Any]]:
    """The rows of all files in the order of their names."""
    return [row for file in sorted(folder.iterdir()) for row in pq.ParquetFile(file).read().to_pylist()]


def valid_rows(layout: Layout) -> list[dict[str, Any]]:
    return rows_of(layout.valid / "events")


def assert_none_is_lost(layout: Layout) -> None:
    """Each row that has landed is valid or in quarantine."""
    quarantined = pq.read_table(layout.quarantine / "events.parquet")
    assert len(valid_rows(layout)) + len(quarantined) == len(rows_of(layout.root / "log"))
    assert None not in quarantined["reason"].to_pylist()


def remarks(layout: Layout, of: str) -> dict[str, str]:
    result: dict[str, Any] = json.loads((layout.validation_report / "result.json").read_text())
    return {group["name"]: group["remark"] for group in result[of] if group["remark"]}


@pytest.mark.chaos("parquet-truncated")
def test_a_file_that_is_cut_off_stops_the_run_before_it_begins(shop: Layout, run: Run) -> None:
    file = log_file(shop, LAST_DAY)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    code, said = run(*DATA_STAGES)
    assert code == 1
    assert f"{file.name} is not readable Parquet, perhaps cut off while it was copied" in said
    assert "write or copy it again" in said
    assert not shop.raw.exists()


@pytest.mark.chaos("day-twice")
def test_a_day_that_landed_twice_is_refused_where_it_is_much_of_the_log(shop: Layout, run: Run) -> None:
    shutil.copyfile(log_file(shop, LAST_DAY), shop.root / "log/again.parquet")
    code, said = run(*DATA_STAGES)
    assert code == 1
    assert "share of events with duplicate: found " in said
    assert "a day may have landed twice: deliver each day once" in said
    assert not shop.valid.exists()


@pytest.mark.chaos("day-twice")
def test_a_day_that_landed_twice_counts_once(shop: Layout, sound: Layout, run: Run) -> None:
    shutil.copyfile(log_file(shop, LAST_DAY), shop.root / "log/again.parquet")
    # As it is in a window of a month.
    edit_params(shop.params, {"validate.max_dirty_share": 0.2})
    code, said = run(*DATA_STAGES)
    assert code == 0, said
    assert valid_files(shop) == valid_files(sound)


@pytest.mark.chaos("day-missing")
def test_a_day_that_is_missing_is_named_and_two_are_refused(shop: Layout, run: Run) -> None:
    log_file(shop, DAYS[3]).unlink()
    code, said = run(*DATA_STAGES)
    assert code == 0, said
    assert remarks(shop, "days") == {str(DAYS[3]): "no valid rows"}
    log_file(shop, DAYS[4]).unlink()
    code, said = run(*DATA_STAGES)
    assert code == 1
    assert "days without valid rows: found 2, needed at most 1: days have not landed: deliver them" in said


@pytest.mark.chaos("day-missing")
def test_a_newest_day_that_is_missing_leaves_the_window_of_the_night_before(shop: Layout, run: Run) -> None:
    newest = log_file(shop, LAST_DAY).read_bytes()
    log_file(shop, LAST_DAY).unlink()
    nights = []
    for today in (LAST_DAY, LAST_DAY + timedelta(days=1)):
        assert f"the window's last day is {DAYS[-2]}, " in resolve(shop, today)
        code, said = run("ingest", "validate", "label")
        assert code == 0, said
        nights.append(made_of_the_log(shop))
    assert nights[0] == nights[1]
    # With the day it is another window.
    log_file(shop, LAST_DAY).write_bytes(newest)
    assert f"the window's last day is {LAST_DAY}, " in resolve(shop, LAST_DAY + timedelta(days=1))
    assert shop.source_manifest.read_bytes() != nights[0]["data/source.json"]


def made_of_the_log(layout: Layout) -> dict[str, bytes]:
    """Every file up to the labels, and what binds the night to the log, by its path."""
    found = {
        name: content for stage in ("ingest", "validate", "label") for name, content in written(layout, stage).items()
    }
    return found | {"data/source.json": layout.source_manifest.read_bytes()}


@pytest.mark.chaos("log-stopped")
def test_a_log_that_has_stopped_is_said_and_refused_where_params_ask_for_it(shop: Layout) -> None:
    ten_days_later = LAST_DAY + timedelta(days=10)
    assert f"the window's last day is {LAST_DAY}, 10 days before today." in resolve(shop, ten_days_later)
    edit_params(shop.params, {"ingest.events.max_age_days": 10})
    resolve(shop, ten_days_later)
    with pytest.raises(ValueError, match="its newest day is 2026-06-30, 11 days before today, 2026-07-11") as refusal:
        resolve(shop, LAST_DAY + timedelta(days=11))
    assert "ask who delivers it" in str(refusal.value)


@pytest.mark.chaos("days-out-of-order")
def test_days_in_any_order_give_the_same_rows(shop: Layout, sound: Layout, run: Run) -> None:
    # Each file has another day's name, and two days lie in one file.
    tables = [pq.ParquetFile(log_file(shop, day)).read() for day in DAYS]
    shutil.rmtree(shop.root / "log")
    (shop.root / "log").mkdir()
    for name, table in zip(reversed(DAYS[2:]), tables[2:], strict=True):
        pq.write_table(table, log_file(shop, name))
    pq.write_table(pa.concat_tables([tables[1], tables[0]]), shop.root / "log/late.parquet")
    code, said = run(*DATA_STAGES)
    assert code == 0, said
    assert valid_files(shop) == valid_files(sound)


@pytest.mark.chaos("day-late")
def test_a_day_that_came_late_or_corrected_is_taken_by_the_next_night(shop: Layout, sound: Layout, run: Run) -> None:
    late = log_file(shop, DAYS[3]).read_bytes()
    log_file(shop, DAYS[3]).unlink()
    change(shop, DAYS[5], lambda day: day.slice(0, len(day) // 2))
    assert run(*DATA_STAGES)[0] == 0
    log_file(shop, DAYS[3]).write_bytes(late)
    shutil.copyfile(log_file(sound, DAYS[5]), log_file(shop, DAYS[5]))
    code, said = run("ingest")
    assert code == 1, "this night is bound to what it has seen"
    assert "run `q2pt resolve` again" in said
    code, said = run(*DATA_STAGES)
    assert code == 0, said
    assert valid_files(shop) == valid_files(sound)


def without(locale: str, *, kept: float = 0.0) -> Callable[[pa.Table], pa.Table]:
    """Leaves of a store's rows the first share `kept`."""

    def edit(day: pa.Table) -> pa.Table:
        own = day.filter(pc.equal(day["locale"], locale))
        return pa.concat_tables([day.filter(pc.not_equal(day["locale"], locale)), own.slice(0, int(kept * len(own)))])

    return edit


def of_newest_day(locale: str) -> Callable[[dict[str, Any]], bool]:
    """Whether a row is of a store's newest day."""
    return lambda row: (row["locale"], row["event_date"]) == (locale, LAST_DAY)


def assert_other_rows_are_those_of_a_sound_night(shop: Layout, sound: Layout, locale: str) -> None:
    """All but those of a store's newest day, of which the ones that landed are valid as ever."""
    own = of_newest_day(locale)
    rows, expected = valid_rows(shop), valid_rows(sound)
    assert [row for row in rows if not own(row)] == [row for row in expected if not own(row)]
    assert len([row for row in expected if own(row)]) > 0
    assert all(row in expected for row in rows if own(row))
    assert_none_is_lost(shop)


def assert_a_day_that_is_delivered_again_makes_the_night_a_sound_one(shop: Layout, sound: Layout, run: Run) -> None:
    shutil.copyfile(log_file(sound, LAST_DAY), log_file(shop, LAST_DAY))
    code, said = run(*DATA_STAGES)
    assert code == 0, said
    assert valid_files(shop) == valid_files(sound)
    assert_none_is_lost(shop)


@pytest.mark.chaos("store-vanished")
def test_a_small_store_that_vanishes_overnight_is_named_and_the_others_go_on(
    shop: Layout, sound: Layout, run: Run
) -> None:
    change(shop, LAST_DAY, without("fr-BE"))
    code, said = run(*DATA_STAGES)
    assert code == 0, said
    assert "rows of fr-BE on the newest day, of a usual day's: found 0 %, needed at least 10 %" in said
    assert "the store's log may not have landed whole: ask who delivers it" in said
    assert remarks(shop, "locales") == {"fr-BE": "fallen: 0 % of a usual day"}
    assert_other_rows_are_those_of_a_sound_night(shop, sound, "fr-BE")
    # Nothing else notices.
    edit_params(shop.params, {"validate.min_newest_day_share": 0.0})
    code, said = run("validate")
    assert (code, remarks(shop, "locales")) == (0, {})
    assert " 0 warnings" in said


@pytest.mark.parametrize(
    "kept",
    [
        pytest.param(0.0, marks=pytest.mark.chaos("store-vanished"), id="none"),
        pytest.param(0.05, marks=pytest.mark.chaos("volume-fallen"), id="five per cent"),
    ],
)
def test_a_large_store_that_vanishes_or_falls_overnight_stops_the_run(
    shop: Layout, sound: Layout, run: Run, kept: float
) -> None:
    change(shop, LAST_DAY, without("en-US", kept=kept))
    code, said = run(*DATA_STAGES)
    assert code == 1
    assert "share of clicks in locales whose newest day has hardly any rows: found 4" in said
    assert not shop.valid.exists()
    assert_a_day_that_is_delivered_again_makes_the_night_a_sound_one(shop, sound, run)


@pytest.mark.chaos("volume-fallen")
def test_a_store_of_five_per_cent_is_named_and_the_others_go_on(shop: Layout, sound: Layout, run: Run) -> None:
    change(shop, LAST_DAY, without("fr-BE", kept=0.05))
    code, said = run(*DATA_STAGES)
    assert code == 0, said
    assert "rows of fr-BE on the newest day" in said
    assert list(map(of_newest_day("fr-BE"), valid_rows(shop))).count(True) > 0
    assert_other_rows_are_those_of_a_sound_night(shop, sound, "fr-BE")


@pytest.mark.chaos("volume-fallen")
def test_a_log_of_five_per_cent_stops_the_run(shop: Layout, sound: Layout, run: Run) -> None:
    change(shop, LAST_DAY, lambda day: day.take(list(range(0, len(day), 20))))
    code, said = run(*DATA_STAGES)
    assert code == 1
    assert "share of clicks in locales whose newest day has hardly any rows: found " in said
    assert not shop.valid.exists()
    assert_a_day_that_is_delivered_again_makes_the_night_a_sound_one(shop, sound, run)


def flooded(layout: Layout, day: date, products: int) -> tuple[str, set[str]]:
    """Lets bots click one query of a store on wrong products; returns the query and the products' types."""
    table = pq.ParquetFile(log_file(layout, day)).read()
    own = table.filter(pc.equal(table["locale"], "en-US")).to_pylist()
    query: str = max(own, key=lambda row: row["clicks"] or 0)["query"]
    catalog = pq.read_table(layout.root / "catalog.parquet").to_pylist()
    types = {row["product_id"]: row["product_type"] for row in catalog if row["locale"] == "en-US"}
    meant = {types.get(row["product_id"]) for row in own if row["query"] == query}
    wrong = [product for product, own_type in sorted(types.items()) if own_type not in meant][:products]
    assert len(wrong) == products
    counts = {"impressions": 50_000 // products, "clicks": 45_000 // products, "carts": 0, "purchases": 0}
    bots = [{**own[0], **counts, "query": query, "product_id": product} for product in wrong]
    change(layout, day, lambda rows: pa.concat_tables([rows, pa.Table.from_pylist(bots, table.schema)]))
    return query, {types[product] for product in wrong}


def labels(layout: Layout, period: str) -> dict[str, list[str]]:
    rows = pq.ParquetFile(layout.labeled / period / "locale=en-US.parquet").read().to_pylist()
    return {row["query"]: row["product_types"] for row in rows}


@pytest.mark.chaos("bot-flood")
@pytest.mark.parametrize("products", [1, 30])
@pytest.mark.parametrize(("day", "period"), [(DAYS[3], "history"), (LAST_DAY, "forward")])
def test_bots_on_one_query_change_none_of_its_labels(
    shop: Layout, sound: Layout, run: Run, day: date, period: str, products: int
) -> None:
    query, wrong = flooded(shop, day, products)
    code, said = run(*DATA_STAGES, "label")
    assert code == 0, said
    assert "events of one query with too many of a day's clicks: found " in said
    assert "perhaps bots: they are set apart" in said
    quarantined = pq.read_table(shop.quarantine / "events.parquet").to_pylist()
    apart = [row for row in quarantined if row["reason"] == FLOOD[1]]
    assert {(row["query"], row["event_date"]) for row in apart} == {(query, day)}
    assert sum(row["clicks"] == 45_000 // products for row in apart) == products
    # Of the other rows none has moved.
    that_day = {"query": query, "locale": "en-US", "event_date": day}
    assert valid_rows(shop) == [row for row in valid_rows(sound) if not that_day.items() <= row.items()]
    assert_none_is_lost(shop)
    expected, asked = labels(sound, period), normalise_query(query)
    meant = expected.pop(asked)
    found = labels(shop, period)
    assert not wrong & set(found.pop(asked, []))
    assert found == expected
    # As it would be, were nobody to look.
    edit_params(shop.params, {"validate.max_query_click_share": 1.0})
    assert run("validate", "label")[0] == 0
    fooled = labels(shop, period).get(asked, [])
    assert fooled != meant
    assert set(fooled) <= wrong
