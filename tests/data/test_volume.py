from collections.abc import Mapping
from datetime import date, timedelta

from q2pt_tasks.data.row_rules import Window
from q2pt_tasks.data.tallies import Tally
from q2pt_tasks.data.volume import Volume, measure_volume

DAYS = tuple(date(2026, 5, 1) + timedelta(days=offset) for offset in range(5))
WINDOW = Window(DAYS[0], DAYS[-1])


def volume(rows: Mapping[str, tuple[int, ...]]) -> Volume:
    """Of the valid rows of each locale, day by day; a locale of bad rows alone beside them."""
    tallies = [
        Tally(None, locale, day, count, 1.0)
        for locale, counts in rows.items()
        for day, count in zip(DAYS, counts, strict=True)
    ]
    bad = Tally("bad", "fr-FR", DAYS[0], 90, 90.0)
    return measure_volume([*tallies, bad], [*rows, "fr-FR"], WINDOW, min_locale_rows=6, min_newest_day_share=0.1)


def test_locales_and_days_without_rows_count() -> None:
    found = volume({"de-DE": (5, 0, 0, 0, 0), "en-GB": (90, 0, 0, 3, 0)})
    assert found.locales == {"de-DE": 5, "en-GB": 93, "fr-FR": 0}
    assert found.low == ("de-DE", "fr-FR")
    assert found.missing_days == ("2026-05-02", "2026-05-03", "2026-05-05")


def test_a_locale_whose_newest_day_has_hardly_any_rows_has_fallen() -> None:
    found = volume(
        {"gone": (100, 90, 0, 110, 0), "fallen": (100, 100, 100, 100, 5), "steady": (100, 100, 100, 100, 10)}
    )
    assert found.newest == {"gone": 0.0, "fallen": 0.05, "steady": 0.1}
    assert found.fallen == ("gone", "fallen")


def test_of_a_locale_with_few_rows_or_of_few_days_nobody_can_tell() -> None:
    found = volume({"small": (9, 9, 9, 9, 0), "new": (0, 0, 0, 0, 500), "seldom": (0, 500, 0, 0, 0)})
    assert found.newest == {}
    assert found.fallen == ()


def test_a_window_of_one_day_has_no_usual_one() -> None:
    tallies = [Tally(None, "en-GB", DAYS[0], 100, 1.0)]
    one_day = Window(DAYS[0], DAYS[0])
    assert measure_volume(tallies, ["en-GB"], one_day, min_locale_rows=1, min_newest_day_share=1.0).newest == {}
