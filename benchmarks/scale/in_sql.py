"""The same tables in DuckDB's own SQL, written by hand for this log; Python makes the queries' normal form alone."""

import datetime
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import duckdb
import pyarrow as pa
from duckdb.func import PythonUDFType

from benchmarks.scale.rules import CONTROL, MAX_COUNT, VISIBLE, Job, read_job
from q2pt_tasks.data.floods import FLOOD
from q2pt_tasks.data.labels import LabelRules
from q2pt_tasks.data.queries import normalise_query
from q2pt_tasks.data.row_rules import DUPLICATE_EVENT
from q2pt_tasks.data.schema import LOCALE_PATTERN
from q2pt_tasks.layout import day_file

ORDER = "event_date, locale, query, product_id, impressions, clicks, carts, purchases"
COLUMNS = ORDER


def ingest(folder: Path) -> None:
    job, base = read_job(folder), duckdb.connect()
    _fresh(folder / "raw")
    log = f"read_parquet('{folder}/log/*.parquet')"
    for day in job.window.days:
        _copy_day(base, f"SELECT {COLUMNS} FROM {log} WHERE event_date = '{day}' ORDER BY {ORDER}", folder / "raw", day)
    _copy_day(base, f"SELECT {COLUMNS} FROM {log} WHERE event_date IS NULL ORDER BY {ORDER}", folder / "raw", None)


def validate(folder: Path) -> None:
    job, base = read_job(folder), duckdb.connect()
    _fresh(folder / "valid")
    base.execute(f"CREATE VIEW catalog AS FROM '{folder}/catalog.parquet'")
    for day in [*job.window.days, None]:
        base.execute(
            f"CREATE OR REPLACE TEMP TABLE judged AS "
            f"SELECT * REPLACE (CASE WHEN reason IS NULL AND place > 1 THEN {_quoted(DUPLICATE_EVENT[1])} "
            f"ELSE reason END AS reason) "
            f"FROM (SELECT *, row_number() OVER (PARTITION BY event_date, locale, query, product_id, reason IS NULL "
            f"ORDER BY impressions DESC, clicks DESC, carts DESC, purchases DESC) AS place "
            f"FROM (SELECT {COLUMNS}, CASE {_cases(job)} END AS reason "
            f"FROM read_parquet('{day_file(folder / 'raw', day)}', hive_partitioning = false) "
            f"LEFT JOIN (SELECT locale, product_id, true AS known FROM catalog) USING (locale, product_id)))"
        )
        base.execute(
            f"UPDATE judged SET reason = {_quoted(FLOOD[1])} "
            f"FROM (SELECT locale, query FROM "
            f"(SELECT locale, query, sum(clicks) AS own FROM judged WHERE reason IS NULL GROUP BY ALL) "
            f"JOIN (SELECT locale, sum(clicks) AS store FROM judged WHERE reason IS NULL GROUP BY ALL) USING (locale) "
            f"WHERE own >= {job.flood.clicks} AND own > {job.flood.share} * store) AS flood "
            f"WHERE judged.reason IS NULL AND judged.locale = flood.locale AND judged.query = flood.query"
        )
        if day:
            _copy_day(
                base, f"SELECT {COLUMNS} FROM judged WHERE reason IS NULL ORDER BY {ORDER}", folder / "valid", day
            )
        base.execute(
            "INSERT INTO bad FROM (SELECT * EXCLUDE place FROM judged WHERE reason IS NOT NULL)"
            if day != job.window.first_day
            else "CREATE TEMP TABLE bad AS SELECT * EXCLUDE place FROM judged WHERE reason IS NOT NULL"
        )
    _copy(base, f"FROM bad ORDER BY {ORDER}, reason", folder / "quarantine.parquet")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _cases(job: Job) -> str:
    counts = ("impressions", "clicks", "carts", "purchases")
    locales = ", ".join(f"'{locale}'" for locale in job.locales)
    broken = {
        "locale_missing": f"locale IS NULL OR NOT regexp_matches(locale, '{VISIBLE}')",
        "locale_malformed": f"NOT regexp_matches(locale, '{LOCALE_PATTERN}')",
        "locale_unlisted": f"locale NOT IN ({locales})",
        "date_missing": "event_date IS NULL",
        "date_outside_window": f"event_date NOT BETWEEN '{job.window.first_day}' AND '{job.window.last_day}'",
        "query_missing": f"query IS NULL OR NOT regexp_matches(query, '{VISIBLE}')",
        "query_too_long": f"length(query) > {job.max_query_chars}",
        "query_control": f"regexp_matches(query, '{CONTROL}')",
        "product_missing": f"product_id IS NULL OR NOT regexp_matches(product_id, '{VISIBLE}')",
        "count_missing": " OR ".join(f"{count} IS NULL" for count in counts),
        "count_negative": " OR ".join(f"{count} < 0" for count in counts),
        "count_too_large": " OR ".join(f"{count} > {MAX_COUNT}" for count in counts),
        "clicks_exceed": "clicks > impressions",
        "product_unknown": "known IS NULL",
    }
    return " ".join(f"WHEN {condition} THEN {_quoted(job.reasons[name])}" for name, condition in broken.items())


def label(folder: Path) -> None:
    job, base = read_job(folder), duckdb.connect()
    base.create_function("normal", _normal_forms, ["VARCHAR"], "VARCHAR", type=PythonUDFType.ARROW)
    first_forward = job.window.last_day - datetime.timedelta(days=job.label.forward_days - 1)
    base.execute(
        f"CREATE TEMP TABLE clicked AS SELECT event_date >= '{first_forward}' AS forward, locale, query, product_id, "
        f"sum(clicks)::BIGINT AS clicks FROM read_parquet('{folder}/valid/events/*.parquet') WHERE clicks > 0 "
        f"GROUP BY ALL"
    )
    base.execute(
        "CREATE TEMP TABLE forms AS SELECT query, normal(query) AS normal FROM (SELECT DISTINCT query FROM clicked)"
    )
    base.execute(
        f"CREATE TEMP TABLE typed AS SELECT forward, locale, normal AS query, product_type, "
        f"sum(clicks)::BIGINT AS clicks FROM clicked JOIN forms USING (query) "
        f"JOIN '{folder}/catalog.parquet' USING (locale, product_id) GROUP BY ALL"
    )
    base.execute(
        f"DELETE FROM typed USING (SELECT locale, query FROM typed GROUP BY ALL "
        f"HAVING sum(clicks) < {job.privacy.min_query_clicks}) AS rare "
        f"WHERE typed.locale = rare.locale AND typed.query = rare.query"
    )
    for period, rules in (("history", job.label.rules()), ("forward", job.label.forward_rules())):
        base.execute(f"CREATE TEMP TABLE {period} AS {_labels(period == 'forward', rules)}")
        for locale in job.locales:
            own = f"SELECT * EXCLUDE locale FROM {period} WHERE locale = '{locale}' ORDER BY query"
            _copy(base, own, folder / f"labeled/{period}/locale={locale}.parquet")


def _labels(forward: bool, rules: LabelRules) -> str:
    return (
        f"SELECT locale, query, list(product_type ORDER BY share DESC, product_type) AS product_types, "
        f"list(share ORDER BY share DESC, product_type) AS shares, any_value(total) AS clicks "
        f"FROM (SELECT *, clicks / total AS share, top / total AS top_share "
        f"FROM (SELECT *, (sum(clicks) OVER own)::BIGINT AS total, max(clicks) OVER own AS top FROM typed "
        f"WHERE forward = {forward} WINDOW own AS (PARTITION BY locale, query))) "
        f"WHERE total >= {rules.min_query_clicks} AND top_share >= {rules.min_top_share} "
        f"AND clicks >= {rules.min_pair_clicks} AND share >= {rules.min_share} GROUP BY locale, query"
    )


def split(folder: Path) -> None:
    job, base = read_job(folder), duckdb.connect()
    upto = job.split.test + job.split.validation
    position = f"('0x' || substr(md5('{job.split.salt}:' || query), 1, 16))::UBIGINT / 18446744073709551616.0"
    for locale in job.locales:
        base.execute(
            f"CREATE OR REPLACE TEMP TABLE history AS SELECT *, CASE WHEN position < {job.split.test} THEN 'test' "
            f"WHEN position < {upto} THEN 'validation' ELSE 'train' END AS side "
            f"FROM (SELECT *, {position} AS position "
            f"FROM read_parquet('{folder}/labeled/history/locale={locale}.parquet', hive_partitioning = false))"
        )
        for name in ("train", "validation", "test"):
            columns = "query, product_types, shares, clicks, side = 'train' AS seen"
            rows = f"SELECT {columns} FROM history WHERE side = '{name}' ORDER BY query"
            _copy(base, rows, folder / f"splits/locale={locale}/{name}.parquet")
        forward = (
            f"SELECT *, query IN (SELECT query FROM history WHERE side = 'train') AS seen FROM "
            f"read_parquet('{folder}/labeled/forward/locale={locale}.parquet', hive_partitioning = false) "
            f"ORDER BY query"
        )
        _copy(base, forward, folder / f"splits/locale={locale}/forward.parquet")


def _normal_forms(queries: pa.ChunkedArray) -> pa.Array:
    return pa.array([normalise_query(query) for query in queries.to_pylist()], pa.string())


def _fresh(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _copy_day(base: duckdb.DuckDBPyConnection, query: str, folder: Path, day: datetime.date | None) -> None:
    _copy(base, query, day_file(folder, day))


def _copy(base: duckdb.DuckDBPyConnection, query: str, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    base.execute(f"COPY ({query}) TO '{file}' (FORMAT parquet, COMPRESSION zstd)")


STAGES: Mapping[str, Callable[[Path], None]] = {
    "ingest": ingest,
    "validate": validate,
    "label": label,
    "split": split,
}
