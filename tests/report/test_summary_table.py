from typing import Any

import pytest

from q2pt_tasks.report.summary_table import summary_table
from q2pt_tasks.report.tables import VARIANTS


def row(variant: str, locale: str, metric: str, value: float | None, n: int) -> dict[str, Any]:
    return {"variant": variant, "locale": locale, "split": "test", "metric": metric, "value": value, "n": n}


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"precision": 0.8, "headline": {}, "rows": rows, "models": [], "champion": None}


def test_twenty_locales_and_seven_variants_fit_the_terminal() -> None:
    locales = ["all", "zh-Hant-TW", *(f"en-{number:03d}" for number in range(19))]
    rows = [row(v, locale, "micro_recall", 0.5, 1_234_567) for v in VARIANTS for locale in locales]
    lines = summary_table(summary(rows)).splitlines()
    assert len(lines) == 1 + 3 + 1 + 21
    assert max(map(len, lines)) <= 100


def test_the_table_reads_by_support_with_all_first() -> None:
    table = summary_table(
        summary(
            [
                row("majority", "pl-PL", "micro_recall", None, 0),
                row("majority", "en-US", "micro_recall", 1.0, 900),
                row("majority", "all", "micro_recall", 0.0, 900),
                row("majority", "all", "macro_recall", 0.4326, 12),
                row("non_unified", "en-US", "micro_recall", 0.05, 900),
            ]
        )
    )
    assert table == "\n".join(
        [
            "Recall at precision 0.8 on test, micro / macro; n: positives behind micro recall",
            "                   non",
            "locale    n    unified   majority",
            "------  ---  ---------  ---------",
            "all     900     -/   -  .000/.433",
            "en-US   900  .050/   -  1.00/   -",
            "pl-PL     0     -/   -     -/   -",
        ]
    )


def test_what_macro_figures_cover_is_said() -> None:
    rows = [row("majority", "all", "type_coverage", 0.62, 213), row("majority", "all", "traffic_coverage", 0.94, 900)]
    said = "Macro over all: 62.0% of the product types with a positive, which have 94.0% of the positives."
    assert summary_table(summary(rows)).splitlines()[-1] == said


def test_a_summary_without_figures_still_says_all() -> None:
    assert summary_table(summary([])).splitlines()[-1].split() == ["all", "0"]


def test_a_missing_key_is_named() -> None:
    with pytest.raises(ValueError, match="precision"):
        summary_table({"rows": [], "models": [], "champion": None})
