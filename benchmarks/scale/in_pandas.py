"""The same tables in plain pandas, as one writes it without a thought of memory: a table is a data frame, all of it."""

import datetime
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from benchmarks.scale.rules import CONTROL, MAX_COUNT, VISIBLE, Job, read_job
from q2pt_tasks.data.floods import FLOOD
from q2pt_tasks.data.labels import LABELS, LabelRules
from q2pt_tasks.data.queries import normalise_query, query_position
from q2pt_tasks.data.row_rules import DUPLICATE_EVENT
from q2pt_tasks.data.schema import COUNTS, EVENT_KEY, EVENTS, LOCALE_PATTERN
from q2pt_tasks.data.splits import SPLIT
from q2pt_tasks.layout import day_file


def ingest(folder: Path) -> None:
    job = read_job(folder)
    events = _read(folder / "log")
    day = events["event_date"]
    inside = (day >= job.window.first_day) & (day <= job.window.last_day)
    taken = events[inside | day.isna()].sort_values([*EVENT_KEY, *COUNTS])
    _write_days(taken, folder / "raw")


def validate(folder: Path) -> None:
    job = read_job(folder)
    events = _read(folder / "raw/events")
    catalog = pd.read_parquet(folder / "catalog.parquet")
    events["reason"] = _reasons(events, catalog, job)
    clean = events[events["reason"].isna()].sort_values(list(COUNTS))
    repeated = clean.index[clean.duplicated(list(EVENT_KEY), keep="last")]
    events.loc[repeated, "reason"] = DUPLICATE_EVENT[1]
    events.loc[_floods(events[events["reason"].isna()], job), "reason"] = FLOOD[1]
    bad = events["reason"].notna()
    _write_days(events[~bad].drop(columns="reason").sort_values([*EVENT_KEY, *COUNTS]), folder / "valid")
    _write(events[bad], folder / "quarantine.parquet", EVENTS.append(pa.field("reason", pa.string())))


def _floods(valid: pd.DataFrame, job: Job) -> pd.Index:
    """The rows of queries with too many of their store's clicks on a day."""
    own = valid.groupby(["event_date", "locale", "query"])["clicks"].transform("sum")
    store = valid.groupby(["event_date", "locale"])["clicks"].transform("sum")
    return valid.index[(own >= job.flood.clicks) & (own > job.flood.share * store)]


def _reasons(events: pd.DataFrame, catalog: pd.DataFrame, job: Job) -> "pd.Series[str]":
    """The first rule that each row breaks, missing where it breaks none."""
    known = pd.MultiIndex.from_frame(catalog[["locale", "product_id"]])
    day, locale, query, product = (events[name] for name in EVENT_KEY)
    counts = events[list(COUNTS)]
    broken = {
        "locale_missing": ~locale.str.contains(VISIBLE).fillna(False).astype(bool),
        "locale_malformed": ~locale.str.fullmatch(LOCALE_PATTERN.strip("^$")).fillna(False).astype(bool),
        "locale_unlisted": ~locale.isin(job.locales),
        "date_missing": day.isna(),
        "date_outside_window": (day < job.window.first_day) | (day > job.window.last_day),
        "query_missing": ~query.str.contains(VISIBLE).fillna(False).astype(bool),
        "query_too_long": query.str.len() > job.max_query_chars,
        "query_control": query.str.contains(CONTROL).fillna(False).astype(bool),
        "product_missing": ~product.str.contains(VISIBLE).fillna(False).astype(bool),
        "count_missing": counts.isna().any(axis=1),
        "count_negative": (counts < 0).any(axis=1),
        "count_too_large": (counts > MAX_COUNT).any(axis=1),
        "clicks_exceed": events["clicks"] > events["impressions"],
        "product_unknown": ~pd.MultiIndex.from_frame(events[["locale", "product_id"]]).isin(known),
    }
    reason = pd.Series(None, index=events.index, dtype="str")
    for name in reversed(broken):
        reason = reason.mask(np.asarray(broken[name], bool), job.reasons[name])
    return reason


def label(folder: Path) -> None:
    job = read_job(folder)
    events = _read(folder / "valid/events")
    events["query"] = events["query"].map({text: normalise_query(text) for text in events["query"].unique()})
    typed = events.merge(pd.read_parquet(folder / "catalog.parquet"), on=["locale", "product_id"])
    typed = typed[typed.groupby(["locale", "query"])["clicks"].transform("sum") >= job.privacy.min_query_clicks]
    first_forward = job.window.last_day - datetime.timedelta(days=job.label.forward_days - 1)
    is_forward = typed["event_date"] >= first_forward
    for period, rows, rules in (
        ("history", typed[~is_forward], job.label.rules()),
        ("forward", typed[is_forward], job.label.forward_rules()),
    ):
        labels = _labels(rows[rows["clicks"] > 0], rules)
        for locale in job.locales:
            own = labels[labels["locale"] == locale].drop(columns="locale")
            _write(own, folder / f"labeled/{period}/locale={locale}.parquet", LABELS)


def _labels(clicked: pd.DataFrame, rules: LabelRules) -> pd.DataFrame:
    pairs = clicked.groupby(["locale", "query", "product_type"], as_index=False)["clicks"].sum()
    per_query = pairs.groupby(["locale", "query"])
    pairs["query_clicks"] = per_query["clicks"].transform("sum")
    pairs["shares"] = pairs["clicks"] / pairs["query_clicks"]
    pairs["top"] = per_query["clicks"].transform("max") / pairs["query_clicks"]
    kept = pairs[
        (pairs["query_clicks"] >= rules.min_query_clicks)
        & (pairs["top"] >= rules.min_top_share)
        & (pairs["clicks"] >= rules.min_pair_clicks)
        & (pairs["shares"] >= rules.min_share)
    ].sort_values(["locale", "query", "shares", "product_type"], ascending=[True, True, False, True])
    nested = kept.groupby(["locale", "query"], as_index=False).agg(
        product_types=("product_type", list), shares=("shares", list), clicks=("query_clicks", "first")
    )
    labels: pd.DataFrame = nested.sort_values(["locale", "query"])
    return labels


def split(folder: Path) -> None:
    job = read_job(folder)
    for locale in job.locales:
        history = pd.read_parquet(folder / f"labeled/history/locale={locale}.parquet", partitioning=None)
        position = history["query"].map(lambda query: query_position(query, job.split.salt))
        upto = job.split.test + job.split.validation
        side = np.select([position < job.split.test, position < upto], ["test", "validation"], "train")
        for name in ("train", "validation", "test"):
            _write(history[side == name].assign(seen=name == "train"), _split_file(folder, locale, name), SPLIT)
        forward = pd.read_parquet(folder / f"labeled/forward/locale={locale}.parquet", partitioning=None)
        seen = forward["query"].isin(history["query"][side == "train"])
        _write(forward.assign(seen=seen), _split_file(folder, locale, "forward"), SPLIT)


def _split_file(folder: Path, locale: str, name: str) -> Path:
    return folder / f"splits/locale={locale}/{name}.parquet"


def _read(folder: Path) -> pd.DataFrame:
    files = sorted(folder.glob("*.parquet"))
    return pd.concat([pd.read_parquet(file, partitioning=None) for file in files], ignore_index=True)


def _write_days(events: pd.DataFrame, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for day, rows in events.groupby("event_date", dropna=False):
        _write(rows, day_file(folder, None if pd.isna(day) else day), EVENTS)


def _write(table: pd.DataFrame, file: Path, schema: pa.Schema) -> None:
    table.to_parquet(_made(file), index=False, compression="zstd", schema=schema)


def _made(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


STAGES: Mapping[str, Callable[[Path], None]] = {
    "ingest": ingest,
    "validate": validate,
    "label": label,
    "split": split,
}
