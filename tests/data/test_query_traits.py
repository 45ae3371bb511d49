import pytest

from q2pt_tasks.data.query_traits import LENGTHS, NO_LETTERS, BrandFinder, length_of, script_of


@pytest.mark.parametrize(
    ("characters", "bucket"), [(1, 0), (5, 0), (6, 1), (10, 1), (11, 2), (20, 2), (21, 3), (99, 3)]
)
def test_a_length_falls_into_one_bucket(characters: int, bucket: int) -> None:
    assert length_of("x" * characters) == bucket
    assert str(characters) in LENGTHS[bucket] or characters == 99


@pytest.mark.parametrize(
    ("query", "script"),
    [
        ("rote schuhe größe 38", "Latin"),
        ("кроссовки", "Cyrillic"),
        ("赤い靴", "Han"),
        ("赤いドレス", "Kana"),
        ("iphone ケース", "Latin"),
        ("حذاء", "Arabic"),
        ("205/55 16", NO_LETTERS),
        ("", NO_LETTERS),
    ],
)
def test_a_query_has_the_script_of_most_of_its_letters(query: str, script: str) -> None:
    assert script_of(query) == script


def test_of_equally_many_letters_the_first_script_counts() -> None:
    assert script_of("ab靴下") == "Latin"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("zenyx", True),
        ("red zenyx phone", True),
        ("zenyx128", True),
        ("赤いzenyx電話", True),
        ("zenyxes", False),
        ("la casa blanca vase", True),
        ("blanca casa la", False),
        ("vase", False),
        ("", False),
    ],
)
def test_a_brand_is_found_as_whole_words(query: str, *, found: bool) -> None:
    assert BrandFinder(["zenyx", "casa blanca", " "]).is_in(query) is found


def test_without_brands_nothing_is_found() -> None:
    assert not BrandFinder([]).is_in("zenyx")
