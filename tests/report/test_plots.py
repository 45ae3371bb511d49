import re
from html import unescape

from q2pt_tasks.report.plots import CurvePoint, precision_recall_curves, recall_bars, recall_by_training_rows
from q2pt_tasks.report.tables import VARIANTS, Row, Scores, StoreRecall


def texts(svg: str) -> list[str]:
    return [unescape(text) for text in re.findall(r"<text [^>]*>([^<]*)</text>", svg)]


def test_bars_tell_zero_from_not_defined() -> None:
    zero = Scores([Row("majority", "en-US", "test", "micro_recall", 0.0, 5)])
    undefined = Scores([Row("majority", "en-US", "test", "micro_recall", None, 0)])
    assert "–" not in texts(recall_bars(zero, ["majority"], ["en-US"], 0.8))
    assert "–" in texts(recall_bars(undefined, ["majority"], ["en-US"], 0.8))


def test_bars_name_every_locale_and_variant_once() -> None:
    locales = [f"en-{number:03d}" for number in range(20)]
    found = texts(recall_bars(Scores([]), VARIANTS, locales, 0.8))
    assert [found.count(name) for name in [*locales, *VARIANTS]] == [1] * 27


def test_a_locale_without_training_rows_has_no_place_on_the_logarithmic_axis() -> None:
    svg = recall_by_training_rows([StoreRecall("unified_aware", "pl-PL", 0.3, 0)], 0.8)
    assert "unified_aware" not in texts(svg)


def test_training_rows_read_as_numbers() -> None:
    stores = [StoreRecall("unified_aware", "pl-PL", 0.3, 90), StoreRecall("unified_aware", "en-US", 0.5, 12_000)]
    assert {"100", "1,000", "10,000"} <= set(texts(recall_by_training_rows(stores, 0.8)))


def test_variants_differ_by_more_than_colour() -> None:
    svg = precision_recall_curves([CurvePoint(v, r / 10, 0.9) for v in VARIANTS for r in range(11)], 0.8)
    assert len(set(re.findall(r'xlink:href="#(m[0-9a-f]+)"', svg))) >= len(VARIANTS)


def test_a_name_is_neither_markup_nor_mathematics() -> None:
    name = "$x^2$ <b>&"
    assert name in texts(recall_bars(Scores([]), ["majority"], [name], 0.8))
