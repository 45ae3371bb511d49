import json
import re
from collections import Counter
from pathlib import Path

import pytest
from raw_tables import DAYS, LOCALES, event, good_catalog, good_events, write_raw
from validate_stage import ANYTHING, LENIENT, page_of, result_of, run

from q2pt_tasks.data.privacy import HIDDEN, PrivacyParams
from q2pt_tasks.stages import validate
from q2pt_tasks.stages.validate import ValidateParams, ValidationFailed


def test_page_shows_hostile_text_as_text(tmp_path: Path) -> None:
    typed = "<script>alert(1)</script>"
    rows = [
        event(query=typed),
        event(query=typed, event_date=DAYS[1], clicks=-1),
        event(product_id="a\x00b\x9bc\u202ed"),
        event(query="q" * 1_000_000),
    ]
    catalog = [*good_catalog(), {"product_id": "q" * 1_000_000, "locale": "en_GB", "product_type": "shoe"}]
    layout = write_raw(tmp_path, good_events() + rows, catalog)
    run(layout, ValidateParams(min_locale_rows=10, max_dirty_share=0.2), LOCALES)
    page = page_of(layout)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page
    assert "a␀b⟨U+009B⟩c⟨U+202E⟩d" in page
    assert "q" * 80 + "…" in page
    assert "q" * 81 not in page
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", page)
    assert "http" not in page


def test_examples_are_few(tmp_path: Path) -> None:
    bad = [event(product_id=f"bad {number}", clicks=-1) for number in range(9)]
    catalog = [{"product_id": row["product_id"], "locale": "en-GB", "product_type": "shoe"} for row in bad]
    layout = write_raw(tmp_path, good_events() + bad, good_catalog() + catalog)
    run(layout, ANYTHING, LOCALES)
    assert len(re.findall(r"<bdi>bad \d</bdi>", page_of(layout))) == 5


def test_the_page_and_the_message_show_no_query_that_few_typed(tmp_path: Path) -> None:
    often, seldom = "ring for nan", "ann meier berlin"
    rows = [
        *(event(event_date=day, query=often, clicks=2) for day in DAYS),
        *(event(event_date=day, query=seldom, clicks=1) for day in DAYS[:2]),
        # Enough clicks, but not in this store, and not in valid rows.
        event(query=seldom, locale="de-DE", clicks=9),
        event(query=seldom, clicks=9, impressions=1, product_id="P2"),
        *(event(query=query, clicks=-1, product_id="P3") for query in (often, seldom)),
        # A log whose columns are confused has queries where locales or products should be.
        *[event(locale=seldom)] * 4,
        event(product_id=seldom, clicks=1),
    ]
    layout = write_raw(tmp_path, good_events() + rows, [*good_catalog(), {**good_catalog()[0], "product_id": "P3"}])
    with pytest.raises(ValidationFailed) as failure:
        validate.run(
            layout,
            ValidateParams(min_locale_rows=10, max_dirty_share=0.01),
            LOCALES,
            PrivacyParams(min_query_clicks=3),
        )
    page = page_of(layout)
    assert f"<bdi>{often}</bdi>" in page
    assert f"<bdi>{HIDDEN}</bdi>" in page
    assert seldom not in str(failure.value) + json.dumps(result_of(layout))
    assert seldom not in page


def test_failure_names_the_commonest_unlisted_locales(tmp_path: Path) -> None:
    unlisted = Counter({"en-gb": 9, "xx-XX": 7, "a\x1b\u202e": 6, "q" * 1_000_000: 5, "nl-NL": 4, "aa-AA": 4, "zz": 1})
    rows = [event(locale=locale, query=f"{number}") for locale in unlisted for number in range(unlisted[locale])]
    catalog = [*good_catalog(), {"product_id": "P1", "locale": "en_GB", "product_type": "shoe"}]
    layout = write_raw(tmp_path, good_events() + rows, catalog)
    with pytest.raises(ValidationFailed) as failure:
        run(layout, LENIENT, LOCALES)
    shown = "'en-gb' (9), 'xx-XX' (7), 'aa-AA' (4), 'nl-NL' (4), 'zz' (1)"
    assert f"\n- commonest unlisted locales of events, with their rows: {shown}\n" in str(failure.value)
    assert "\n- commonest unlisted locales of catalog, with their rows: 'en_GB' (1)\n" in str(failure.value)


def test_failure_without_unlisted_locales_names_none(tmp_path: Path) -> None:
    with pytest.raises(ValidationFailed) as failure:
        run(write_raw(tmp_path, good_events(LOCALES[:1])), LENIENT, LOCALES)
    assert "unlisted locales" not in str(failure.value)
