"""The synthetic click log: reproducible, realistic in what matters, and dirty in every way that is announced."""

import datetime
import io
import itertools
import shutil
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from q2pt_tasks.data.schema import CATALOG, EVENT_KEY, EVENTS
from q2pt_tasks.sources.synthetic import traffic
from q2pt_tasks.sources.synthetic.brands import FAMILIES, brand_types, model_name
from q2pt_tasks.sources.synthetic.dirt import BEFORE_ANY_WINDOW, LONG_QUERY
from q2pt_tasks.sources.synthetic.queries import QueryPool, misspell
from q2pt_tasks.sources.synthetic.shelf import fill_shelf
from q2pt_tasks.sources.synthetic.source import (
    STORE_SIZES,
    SyntheticParams,
    make_catalog,
    make_days,
    planted_queries,
)
from q2pt_tasks.sources.synthetic.traffic import Store, make_day
from q2pt_tasks.sources.synthetic.words import (
    DATA,
    MODIFIERS,
    LexiconError,
    languages,
    read_families,
    read_lexicon,
    read_planted,
)

LAST_DAY = datetime.date(2026, 3, 8)
# Product, impressions, clicks, carts, purchases of a small day.
PINNED = [
    ("en-GB-000004", 30, 4, 0, 0),
    ("en-GB-000023", 5, 1, 0, 0),
    ("en-GB-000029", 10, 1, 1, 1),
    ("en-GB-000018", 9, 0, 0, 0),
    ("en-GB-000005", 7, 1, 0, 0),
    ("en-GB-000022", 7, 0, 0, 0),
    ("en-GB-000000", 14, 1, 0, 0),
    ("en-GB-000021", 14, 1, 0, 0),
    ("en-GB-000011", 33, 7, 0, 0),
    ("en-GB-000015", 12, 2, 1, 0),
    ("en-GB-000012", 2, 1, 0, 0),
]

# Query, product and clicks of the first rows of a day on which each query is typed very often.
PINNED_OFTEN = [
    ("camera", "en-GB-000004", 7080),
    ("camera", "en-GB-000023", 1785),
    ("camera", "en-GB-000029", 1289),
    ("camera", "en-GB-000018", 1085),
    ("camera", "en-GB-000005", 388),
    ("camera", "en-GB-000022", 107),
    ("camera", "en-GB-000007", 55),
    ("camera", "en-GB-000025", 51),
    ("tripod", "en-GB-000000", 576),
]


def _params(**changes: object) -> SyntheticParams:
    small = {"seed": 7, "last_day": LAST_DAY, "days": 2, "searches_per_size_unit": 300, "query_draws": 5_000}
    return SyntheticParams.model_validate(small | changes)


def _log(params: SyntheticParams, locales: list[str]) -> pa.Table:
    return pa.concat_tables([events for _, events in make_days(params, locales)])


def _bytes(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table.combine_chunks(), sink)
    return sink.getvalue()


def _of(table: pa.Table, locale: str) -> pa.Table:
    return table.filter(pc.equal(table["locale"], locale)).combine_chunks()


def _clean(locales: list[str], **changes: object) -> pa.Table:
    return _log(_params(dirty_share=0.0, **changes), locales)


def test_the_same_params_make_the_same_bytes() -> None:
    locales = ["en-SG", "ja-JP"]
    assert _bytes(_log(_params(), locales)) == _bytes(_log(_params(), locales[::-1]))
    assert _bytes(make_catalog(_params(), locales)) == _bytes(make_catalog(_params(), locales[::-1]))


def test_another_seed_makes_another_log_and_catalog() -> None:
    assert not _log(_params(), ["cs-CZ"]).equals(_log(_params(seed=8), ["cs-CZ"]))
    assert not make_catalog(_params(), ["cs-CZ"]).equals(make_catalog(_params(seed=8), ["cs-CZ"]))


def test_a_day_is_the_one_that_other_machines_make() -> None:
    shelf = fill_shelf("en-GB", ("CAMERA", "TRIPOD"), seed=7)
    types, shares = np.array([[0, 0, 0, 1], [1, 0, 0, 0]]), np.array([[0.95, 0.95, 0.95], [0.9, 0.9, 0.9]])
    pool = QueryPool(pa.array(["camera", "tripod"]), types, shares, np.array([0.7, 0.3]), planted=1)
    day = make_day(Store(20, shelf, pool), LAST_DAY, seed=7)
    assert [tuple(row.values())[3:] for row in day.to_pylist()] == PINNED
    busy = make_day(Store(20_000, shelf, pool), LAST_DAY, seed=7).slice(0, len(PINNED_OFTEN)).to_pylist()
    assert [(row["query"], row["product_id"], row["clicks"]) for row in busy] == PINNED_OFTEN


def test_a_query_typed_very_often_leads_where_each_of_its_searches_would(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = fill_shelf("en-GB", tuple(read_families()), seed=7)
    kinds, shares = np.array([[0, 3, 0, 5], [1, 1, 1, 2]]), np.array([[0.5, 0.8, 0.8], [0.9, 0.9, 0.9]])
    pool = QueryPool(pa.array(["one", "two"]), kinds, shares, np.array([0.75, 0.25]), planted=0)
    looks = []
    for most in (0, 10_000_000):
        monkeypatch.setattr(traffic, "DRAWN_ONE_BY_ONE", most)
        day = make_day(Store(400_000, shelf, pool), LAST_DAY, seed=7)
        assert day.group_by(["query", "product_id"]).aggregate([]).num_rows == day.num_rows
        looks.append({(row["query"], row["product_id"]): row["clicks"] for row in day.to_pylist()})
    at_once, one_by_one = looks
    assert at_once.keys() == one_by_one.keys()
    assert min(one_by_one.values()) > 300
    # Counts of independent draws differ by some standard deviations, which are the roots of their sum.
    deviations = [(at_once[key] - one_by_one[key]) / (at_once[key] + one_by_one[key]) ** 0.5 for key in at_once]
    assert max(map(abs, deviations)) < 4
    assert float(np.mean(np.square(deviations))) < 2


def test_another_store_in_the_list_changes_no_row_of_the_others() -> None:
    alone, together = _log(_params(), ["en-SG"]), _log(_params(), ["en-AU", "en-SG", "fr-CA"])
    assert _of(alone, "en-SG").equals(_of(together, "en-SG"))
    catalogs = [make_catalog(_params(), locales) for locales in (["en-SG"], ["en-AU", "en-SG"])]
    assert _of(catalogs[0], "en-SG").equals(_of(catalogs[1], "en-SG"))


def test_a_window_that_moves_on_keeps_the_days_that_it_shares() -> None:
    yesterday = dict(make_days(_params(), ["en-SG"]))
    today = dict(make_days(_params(last_day=LAST_DAY + datetime.timedelta(days=1)), ["en-SG"]))
    assert today[LAST_DAY].equals(yesterday[LAST_DAY])


def test_days_come_in_order_and_hold_their_own_rows() -> None:
    days = list(make_days(_params(dirty_share=0.2, searches_per_size_unit=2000), ["cs-CZ"]))
    assert [day for day, _ in days] == [BEFORE_ANY_WINDOW, LAST_DAY - datetime.timedelta(days=1), LAST_DAY, None]
    for day, events in days:
        assert events.schema == EVENTS
        assert set(events["event_date"].to_pylist()) == {day}


def test_the_days_differ_from_each_other() -> None:
    first, second = (events.drop_columns("event_date") for _, events in make_days(_params(dirty_share=0.0), ["cs-CZ"]))
    assert not first.equals(second)


def test_a_clean_log_keeps_every_promise_of_its_schema() -> None:
    events, catalog = _clean(["en-SG", "zh-CN"]), make_catalog(_params(), ["en-SG", "zh-CN"])
    assert catalog.schema == CATALOG
    assert sum(column.null_count for column in events.columns) == 0
    assert len(events.group_by(list(EVENT_KEY)).aggregate([])) == len(events)
    assert len(events.join(catalog, ["locale", "product_id"], join_type="left anti")) == 0
    assert len(catalog.group_by("product_id").aggregate([])) == len(catalog)
    steps = [events[name].to_numpy() for name in ("impressions", "clicks", "carts", "purchases")]
    assert all((wider >= narrower).all() for wider, narrower in itertools.pairwise(steps))
    assert steps[-1].min() == 0
    assert all(step.sum() > 0 for step in steps)


def _is_dirty(row: dict[str, object], kind: str, known_products: set[object]) -> bool:
    query, clicks, impressions = str(row["query"]), row["clicks"], row["impressions"]
    assert isinstance(clicks, int)
    assert isinstance(impressions, int)
    return {
        "negative clicks": clicks < 0,
        "more clicks than impressions": clicks > impressions,
        "product not in the catalog": row["product_id"] not in known_products,
        "empty query": query == "",
        "NUL": "\x00" in query,
        "another control character": "\x1b" in query,
        "endless query": len(query) == LONG_QUERY,
        "unknown locale": row["locale"] == "xx-XX",
        "locale that is a path": row["locale"] == "../../etc",
        "no locale": row["locale"] is None,
        "date outside the window": row["event_date"] == BEFORE_ANY_WINDOW,
        "no date": row["event_date"] is None,
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        "negative clicks",
        "more clicks than impressions",
        "product not in the catalog",
        "empty query",
        "NUL",
        "another control character",
        "endless query",
        "unknown locale",
        "locale that is a path",
        "no locale",
        "date outside the window",
        "no date",
    ],
)
def test_every_kind_of_dirt_is_there(dirty_log: pa.Table, clean_products: set[object], kind: str) -> None:
    assert any(_is_dirty(row, kind, clean_products) for row in dirty_log.to_pylist())


def test_keys_are_repeated_only_as_dirt(dirty_log: pa.Table) -> None:
    counts = dirty_log.group_by(list(EVENT_KEY)).aggregate([("clicks", "count")])["clicks_count"].to_pylist()
    assert max(counts) == 2


def test_about_the_announced_share_of_rows_is_dirty() -> None:
    clean, dirty = _clean(["en-AU"]), _log(_params(dirty_share=0.1), ["en-AU"])
    key = list(EVENTS.names)
    untouched = dirty.join(clean.group_by(key).aggregate([]), key, join_type="left semi")
    assert 0.08 < 1 - len(untouched) / len(dirty) < 0.12


@pytest.fixture(scope="module")
def dirty_log() -> pa.Table:
    return _log(_params(dirty_share=0.1), ["en-SG"])


@pytest.fixture(scope="module")
def clean_products() -> set[object]:
    return set(make_catalog(_params(), ["en-SG"])["product_id"].to_pylist())


def test_planted_queries_mean_another_type_in_another_store_of_the_language() -> None:
    meanings: dict[tuple[str, str], set[str]] = defaultdict(set)
    stores: dict[tuple[str, str], set[str]] = defaultdict(set)
    for planted in planted_queries(_params(), list(STORE_SIZES)):
        key = (planted.locale[:2], planted.query)
        meanings[key].add(planted.product_type)
        stores[key].add(planted.locale)
    assert len(meanings) >= 300
    assert min(map(len, meanings.values())) >= 2
    assert all(stores[key] == {name for name in STORE_SIZES if name[:2] == key[0]} for key in stores)
    assert len({word for locale in STORE_SIZES for word in read_planted(locale)}) >= 12


def test_planted_queries_are_clicked_every_day_in_a_small_store_and_mostly_on_their_type() -> None:
    params = _params(searches_per_size_unit=640, days=3, dirty_share=0.0)
    planted = {one.query: one.product_type for one in planted_queries(params, ["en-SG"])}
    clicks = _log(params, ["en-SG"]).join(make_catalog(params, ["en-SG"]), ["locale", "product_id"])
    daily: dict[tuple[str, str], int] = defaultdict(int)
    right = 0
    for row in clicks.filter(pc.is_in(clicks["query"], pa.array(planted))).to_pylist():
        daily[row["event_date"], row["query"]] += row["clicks"]
        right += row["clicks"] * (planted[row["query"]] == row["product_type"])
    assert len(daily) == 3 * len(planted)
    assert min(daily.values()) >= 2
    assert 0.93 < right / sum(daily.values()) < 0.99


def test_traffic_follows_the_sizes_and_the_vocabulary_follows_the_traffic() -> None:
    events = _clean(["en-US", "tr-TR"], days=1, searches_per_size_unit=640, query_draws=60_000)
    large, small = _of(events, "en-US"), _of(events, "tr-TR")
    assert 40 < pc.sum(large["clicks"]).as_py() / pc.sum(small["clicks"]).as_py() < 60
    assert pc.count_distinct(large["query"]).as_py() > 10 * pc.count_distinct(small["query"]).as_py()


def test_a_few_queries_return_all_day_and_most_come_once() -> None:
    clicks = _clean(["en-US"], days=1, query_draws=60_000).group_by("query").aggregate([("clicks", "sum")])
    times = sorted(clicks["clicks_sum"].to_pylist())
    assert times[-1] > 100
    assert times[len(times) // 2] <= 2


def test_a_brand_alone_leads_to_several_types() -> None:
    params = _params(dirty_share=0.0, searches_per_size_unit=2000, query_draws=20_000)
    events = _clean(["nl-NL"], searches_per_size_unit=2000, query_draws=20_000)
    clicks = events.join(make_catalog(params, ["nl-NL"]), ["locale", "product_id"])
    sold = set(clicks["product_type"].to_pylist())
    known = brand_types({name: family for name, family in read_families().items() if name in sold})
    several = {brand: types for brand, types in known.items() if len(types) == 3}
    of_brands = clicks.filter(pc.is_in(clicks["query"], pa.array(several)))
    shares: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in of_brands.to_pylist():
        shares[row["query"]][row["product_type"]] += row["clicks"]
    assert len(shares) >= 5
    assert all(shares[brand][name] > 0.1 * sum(shares[brand].values()) for brand in shares for name in several[brand])


def test_small_stores_lack_more_types_than_large_ones_and_each_its_own() -> None:
    catalog = make_catalog(_params(), ["en-US", "de-DE", "tr-TR", "cs-CZ"])
    sold = {name: set(_of(catalog, name)["product_type"].to_pylist()) for name in ("en-US", "de-DE", "tr-TR", "cs-CZ")}
    all_types = len(read_families())
    assert 0.9 * all_types < len(sold["en-US"]) < all_types
    assert 0.7 * all_types < len(sold["tr-TR"]) < 0.9 * all_types
    assert sold["en-US"] != sold["de-DE"]
    assert sold["tr-TR"] != sold["cs-CZ"]


@pytest.mark.parametrize("locale", ["ja-JP", "zh-CN"])
def test_japanese_and_chinese_queries_have_no_spaces(locale: str) -> None:
    queries = set(_clean([locale])["query"].to_pylist())
    assert len(queries) > 500
    assert not [query for query in queries if " " in query]


def test_modifiers_stand_where_the_language_puts_them() -> None:
    assert {"red football", "football for men"} <= _planted("en-GB")
    assert "saco rojo" in _planted("es-MX")


def _planted(locale: str) -> set[str]:
    return {planted.query for planted in planted_queries(_params(), [locale])}


@pytest.mark.parametrize("locale", ["fr-CA", "de-CH", "pt-PT"])
def test_a_new_store_of_a_known_language_needs_no_more_than_its_name(locale: str) -> None:
    assert len(_clean([locale])) > 200
    assert len(make_catalog(_params(), [locale])) > 1000


@pytest.mark.parametrize("make", [make_catalog, planted_queries, lambda *given: list(make_days(*given))])
def test_an_unknown_language_is_refused_with_the_known_ones(
    make: Callable[[SyntheticParams, list[str]], object],
) -> None:
    with pytest.raises(LexiconError, match="'fi'; known are cs, de, en, es"):
        make(_params(), ["en-US", "fi-FI"])


@pytest.mark.parametrize("locale", ["../../etc", "english", "en"])
def test_what_is_no_locale_is_refused(locale: str) -> None:
    with pytest.raises(ValueError, match="a locale is a language and a region"):
        make_catalog(_params(), [locale])


@pytest.mark.parametrize(
    "change",
    [
        {"days": 0},
        {"dirty_share": -0.1},
        {"store_sizes": {"en-US": 0.0}},
        {"store_sizes": {"../x": 1.0}},
        {"rows": 400_000},
    ],
)
def test_params_out_of_range_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        _params(**change)


def test_every_language_names_every_type_and_offers_every_kind_of_modifier() -> None:
    for language in languages():
        lexicon = read_lexicon(language)
        assert set(lexicon.terms) == set(read_families()), language
        assert set(lexicon.modifiers) == set(MODIFIERS), language


def test_every_family_has_brands_and_a_model_has_one_name_everywhere() -> None:
    assert set(read_families().values()) == set(FAMILIES)
    assert len({brand for family in FAMILIES.values() for brand in family.brands}) >= 35
    assert model_name("voltaro", "CAMERA") == model_name("voltaro", "CAMERA") != model_name("voltaro", "PRINTER")


def _broken_data(folder: Path, name: str, text: str) -> Path:
    shutil.copytree(DATA, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    (folder / "lexicon" / name).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("en.tsv", "product_type\tterms\nNO_SUCH_TYPE\tthing\n", "unknown name 'NO_SUCH_TYPE'"),
        ("en.words.tsv", "kind\twords\ncolour\tred\n", "lacks audience, material, quality"),
        ("en.tsv", "product_type\tterms\nCAMERA\n", "line 2: expected as many columns"),
    ],
)
def test_a_broken_lexicon_is_refused_by_name(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(LexiconError, match=message):
        read_lexicon("en", _broken_data(tmp_path / "data", name, text))


@settings(deadline=None)
@given(st.text(), st.integers(0, 2), st.integers(0, 1 << 30))
def test_a_misspelling_is_one_letter_away(text: str, mistake: int, position: int) -> None:
    wrong = misspell(text, mistake, position)
    assert abs(len(wrong) - len(text)) <= 1
    if mistake == 0:
        assert sorted(wrong) == sorted(text)
    assert wrong[:1] == text[:1]


def test_misspellings_swap_drop_and_double_a_letter() -> None:
    assert [misspell("camera", mistake, 1) for mistake in range(3)] == ["caemra", "caera", "cammera"]
