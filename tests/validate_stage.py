"""The stage `validate` on raw tables, and what it leaves."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow.parquet as pq
from raw_tables import Row

from q2pt_tasks.data.privacy import PrivacyParams
from q2pt_tasks.layout import Layout
from q2pt_tasks.stages import validate
from q2pt_tasks.stages.validate import ValidateParams, ValidateReport

LENIENT = ValidateParams(min_locale_rows=10)
ANYTHING = ValidateParams(
    min_locale_rows=1, max_dirty_share=1, min_known_product_share=0, max_low_volume_share=1, max_missing_days=9
)
# What is typed once may be seen, if it is valid.
OPEN = PrivacyParams(min_query_clicks=1)


def run(layout: Layout, params: ValidateParams, locales: Sequence[str]) -> ValidateReport:
    return validate.run(layout, params, locales, OPEN)


def quarantined(layout: Layout) -> Counter[str]:
    return Counter(pq.read_table(layout.quarantine / "events.parquet")["reason"].to_pylist())


def valid_rows(layout: Layout) -> list[Row]:
    files = sorted((layout.valid / "events").iterdir())
    return [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]


def result_of(layout: Layout) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((layout.validation_report / "result.json").read_text(encoding="utf-8"))
    return result


def page_of(layout: Layout) -> str:
    return (layout.validation_report / "index.html").read_text(encoding="utf-8")
