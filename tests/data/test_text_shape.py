import pytest

from q2pt_tasks.data.text_shape import is_like_locale, shape_of, show_locale


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ("30.06.2026", "99.99.9999"),
        ("Ann Meier, Köln", "aaa aaaaa, aaaa"),
        ("٣ 赤い\u202e\x00", "9 aa··"),
        (2.5, "9.9"),
        (["red"], "['aaa']"),
        ("x" * 81, "a" * 80 + "…"),
        ("", ""),
    ],
)
def test_a_shape_tells_how_a_value_is_written_and_not_what(value: object, shape: str) -> None:
    assert shape_of(value) == shape


@pytest.mark.parametrize("text", ["en-GB", "en_gb", "EN-GB", "zh-Hant-TW", "es-419", "uk"])
def test_a_misspelt_locale_is_shown(text: str) -> None:
    assert is_like_locale(text)
    assert show_locale(text) == repr(text)


@pytest.mark.parametrize(
    "text", ["ann meier", "ann", "en-GB\n", "boots", "en-GB-private", "Ann-Lee", "abc-12", "en-a1b"]
)
def test_another_text_in_its_place_is_not(text: str) -> None:
    assert not is_like_locale(text)
    assert show_locale(text) == f"something like {shape_of(text)!r}"
