"""A shop's log of a chosen size in a folder of its own, made by the project's generator, and params that read it."""

import datetime
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from q2pt_tasks.layout import Layout, day_file
from q2pt_tasks.params_edit import edit_params
from q2pt_tasks.sources.resolve import resolve
from q2pt_tasks.sources.synthetic.source import STORE_SIZES, SyntheticParams, make_catalog, make_days

SEED = 13
LAST_DAY = datetime.date(2026, 6, 30)
DAYS = 30
LOCALES = tuple(STORE_SIZES)
# A day, locale, query and product are one row however often they are searched for, so that searches grow faster than
# rows. Measured with 30 days; asked for a hundred million rows, 105 million come.
SEARCHES, ROWS = (2_136_000, 64_500_000, 3_293_000_000), (1_007_000, 9_758_000, 101_517_000)
# Twice as many different queries in a log four times as large.
DRAWS_AT_A_MILLION = 60_000


@dataclass(frozen=True)
class Made:
    """The log that was made.

    Attributes:
        rows: events, dirty and misdated ones included.
        seconds: for drawing and writing them.
        bytes: of its files.
    """

    rows: int
    seconds: float
    bytes: int


def make_log(folder: Path, rows: int, params_file: Path, days: int = DAYS) -> Made:
    """Writes about `rows` events of `days` days, a Parquet file per day, catalog and params to `folder`; resolves."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "log").mkdir(parents=True)
    began = time.perf_counter()
    params = synthetic_params(rows, days)
    written = 0
    for day, events in make_days(params, LOCALES):
        file = folder / "log" / day_file(Path(), day).name
        pq.write_table(events, file)
        written += events.num_rows
    pq.write_table(make_catalog(params, LOCALES), folder / "catalog.parquet")
    seconds = time.perf_counter() - began
    _write_params(Layout(folder), params_file, days)
    return Made(written, seconds, sum(file.stat().st_size for file in (folder / "log").iterdir()))


def synthetic_params(rows: int, days: int) -> SyntheticParams:
    """The generator's params that make about `rows` events."""
    curve = np.polyfit(np.log(ROWS), np.log(SEARCHES), 2)
    searches = np.exp(np.polyval(curve, np.log(rows))) / sum(STORE_SIZES.values()) / days
    draws = DRAWS_AT_A_MILLION * (rows / 1_000_000) ** 0.5
    return SyntheticParams(
        seed=SEED,
        last_day=LAST_DAY,
        days=days,
        searches_per_size_unit=max(1, round(float(searches))),
        query_draws=max(1_000, round(draws)),
    )


def _write_params(layout: Layout, params_file: Path, days: int) -> None:
    shutil.copy(params_file, layout.params)
    changes = {
        "ingest.source": "events",
        "ingest.window_days": days,
        "ingest.last_day": str(LAST_DAY),
        "ingest.events.path": "log",
        "ingest.events.catalog": "catalog.parquet",
    }
    edit_params(layout.params, changes)
    resolve(layout, today=LAST_DAY + datetime.timedelta(days=1))
