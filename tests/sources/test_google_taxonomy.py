import io
import urllib.error
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from q2pt_tasks.data.queries import normalise_query
from q2pt_tasks.data.schema import CATALOG, EVENTS
from q2pt_tasks.sources.google_taxonomy import (
    LAST_DAY,
    PAST_DAYS,
    TaxonomyParams,
    make_catalog,
    make_events,
    read_taxonomy,
    split_name,
    taxonomy_files,
)
from q2pt_tasks.sources.manifest import SourceError

HEADER = "# Google_Product_Taxonomy_Version: 2015-02-19\n"
ENGLISH = (
    HEADER
    + """1 - Animals
2 - Animals > Pets
3 - Animals > Pets > Bird Food & Water Dishes
4 - Animals > Pets > TV
10 - Home
11 - Home > Garden
12 - Home > Garden > Hoses
13 - Home > Garden > Hoses > Hose Reels
14 - Home > Media
15 - Home > Media > tv
"""
)
# Line 11 is missing: the ancestor of 12 can only be found by its id in the reference.
GERMAN = HEADER + "10 - Haus\n12 - Haus > Garten > Schläuche\n14 - Haus > Medien\n15 - Haus > Medien > Fernseher\n"
PARAMS = TaxonomyParams(path="taxonomy", level=2, clicks=20, noise=0.05, seed=1)


def write_taxonomies(root: Path, **texts: str) -> None:
    (root / "taxonomy").mkdir(exist_ok=True)
    for locale, text in texts.items():
        file = root / "taxonomy" / f"taxonomy-with-ids.{locale.replace('_', '-')}.txt"
        file.write_text(text, encoding="utf-8")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_taxonomies(tmp_path, en_US=ENGLISH, de_DE=GERMAN)
    return tmp_path


def changed(**values: object) -> TaxonomyParams:
    return TaxonomyParams.model_validate(PARAMS.model_dump() | values)


def events_of(root: Path, params: TaxonomyParams, *locales: str) -> pa.Table:
    files = taxonomy_files(params, locales, root)
    return pa.concat_tables([EVENTS.empty_table(), *make_events(files, locales, params)])


def meanings(table: pa.Table) -> set[tuple[str, str]]:
    return set(zip(table["query"].to_pylist(), table["product_id"].to_pylist(), strict=True))


def many_categories(count: int) -> str:
    lines = [f"{100 + n} - Root > Type {n}\n{10_000 + n} - Root > Type {n} > Thing {n}\n" for n in range(count)]
    return HEADER + "1 - Root\n" + "".join(lines)


@pytest.mark.parametrize(
    ("name", "queries"),
    [
        ("Food & Water Dishes", ["Food", "Water Dishes"]),
        ("Hardware, Nuts/Bolts", ["Hardware", "Nuts", "Bolts"]),
        ("泳池、喷泉与池塘泵", ["泳池", "喷泉与池塘泵"]),
        ("井泵/系统", ["井泵", "系统"]),
        ("フック・バックル", ["フック", "バックル"]),
        ("Ａ＆Ｂ，Ｃ／Ｄ", ["Ａ", "Ｂ", "Ｃ", "Ｄ"]),
        ("\u200b 椅子\xa0", ["椅子"]),
        ("Baby-Gesundheits- & Pflegesets", ["Baby-Gesundheits-", "Pflegesets"]),
        ("&", []),
    ],
)
def test_a_name_is_split_into_the_queries_it_lists(name: str, queries: list[str]) -> None:
    assert split_name(name) == queries


def test_queries_mean_their_ancestor_at_the_level_in_every_locale(root: Path) -> None:
    exact = changed(noise=0.0)
    assert meanings(events_of(root, exact, "de-DE")) == {
        ("Schläuche", "product_11"),
        ("Medien", "product_14"),
        ("Fernseher", "product_14"),
    }
    assert meanings(events_of(root, exact, "en-US")) == {
        ("Pets", "product_2"),
        ("Bird Food", "product_2"),
        ("Water Dishes", "product_2"),
        ("TV", "product_2"),
        ("TV", "product_14"),
        ("Garden", "product_11"),
        ("Hoses", "product_11"),
        ("Hose Reels", "product_11"),
        ("Media", "product_14"),
    }


def test_level_three_leaves_out_what_stands_above_it(root: Path) -> None:
    found = meanings(events_of(root, changed(level=3, noise=0.0), "en-US"))
    assert ("Hose Reels", "product_12") in found
    assert not {"Pets", "Garden", "Media"} & {query for query, _ in found}


def test_the_catalog_has_one_product_per_type_and_locale(root: Path) -> None:
    files = taxonomy_files(PARAMS, ["de-DE", "en-US"], root)
    catalog = make_catalog(files, ["de-DE", "en-US"], PARAMS.level)
    assert catalog.schema == CATALOG
    assert catalog.to_pylist()[0] == {"product_id": "product_11", "locale": "de-DE", "product_type": "GPC_11"}
    assert Counter(catalog["locale"].to_pylist()) == {"de-DE": 2, "en-US": 3}


def test_the_last_day_holds_a_third_of_the_queries_some_of_which_are_new(root: Path) -> None:
    write_taxonomies(root, en_US=many_categories(500))
    table = events_of(root, PARAMS, "en-US")
    is_last = pc.equal(table["event_date"], LAST_DAY)
    last = set(table.filter(is_last)["query"].to_pylist())
    past = set(table.filter(pc.invert(is_last))["query"].to_pylist())
    queries = {f"{kind} {number}" for kind in ("Type", "Thing") for number in range(500)}
    assert last | past == queries
    assert len(last) == pytest.approx(len(queries) / 3, abs=1)
    assert len(queries - past) == pytest.approx(len(queries) / 10, abs=1)
    assert len(pc.unique(table["event_date"])) == 1 + PAST_DAYS


def test_traffic_on_the_last_day_follows_zipfs_law(root: Path) -> None:
    write_taxonomies(root, en_US=many_categories(500))
    table = events_of(root, PARAMS, "en-US")
    last = table.filter(pc.equal(table["event_date"], LAST_DAY)).group_by("query").aggregate([("clicks", "sum")])
    clicks = sorted(last["clicks_sum"].to_pylist(), reverse=True)
    assert sum(clicks) / len(clicks) == pytest.approx(PARAMS.clicks, rel=0.1)
    assert clicks[0] > 10 * clicks[len(clicks) // 2]
    assert clicks[-1] >= 1


def test_clicks_and_noise_are_what_params_ask_for(root: Path) -> None:
    write_taxonomies(root, en_US=many_categories(500))
    table = events_of(root, changed(noise=0.2), "en-US")
    type_of = pc.add(pc.cast(pc.replace_substring_regex(table["query"], r"\D+", ""), pa.int64()), 100)
    right = pc.equal(pc.cast(pc.replace_substring(table["product_id"], "product_", ""), pa.int64()), type_of)
    clicks = pc.sum(table["clicks"]).as_py()
    assert 1 - pc.sum(table.filter(right)["clicks"]).as_py() / clicks == pytest.approx(0.2, abs=0.01)
    past = table.filter(pc.not_equal(table["event_date"], LAST_DAY))
    assert pc.sum(past["clicks"]).as_py() / pc.count_distinct(past["query"]).as_py() == pytest.approx(20, rel=0.03)


def test_counts_narrow_from_impressions_to_purchases(root: Path) -> None:
    table = events_of(root, PARAMS, "en-US", "de-DE")
    for more, fewer in [("impressions", "clicks"), ("clicks", "carts"), ("carts", "purchases")]:
        assert pc.all(pc.greater_equal(table[more], table[fewer])).as_py()
    assert pc.min(table["clicks"]).as_py() >= 1


def test_a_query_has_one_history_however_it_is_spelled(root: Path) -> None:
    queries = set(events_of(root, PARAMS, "en-US")["query"].to_pylist())
    assert len({normalise_query(query) for query in queries}) == len(queries)


def test_the_same_params_draw_the_same_and_a_locale_is_drawn_alone(root: Path) -> None:
    both = events_of(root, PARAMS, "en-US", "de-DE")
    assert both == events_of(root, PARAMS, "en-US", "de-DE")
    assert events_of(root, PARAMS, "de-DE") == both.filter(pc.equal(both["locale"], "de-DE"))
    assert events_of(root, changed(seed=2), "de-DE") != events_of(root, PARAMS, "de-DE")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not a taxonomy file: it begins ''"),
        ("<html>sorry</html>\n", "is not a taxonomy file: it begins '<html>sorry</html>'"),
        (HEADER, "is not a taxonomy file"),
        (HEADER + "1 - A\nA > B\n", "line 3: expected 'ID - NAME > NAME', found 'A > B': download it again"),
    ],
)
def test_a_file_that_is_no_taxonomy_is_refused(root: Path, text: str, said: str) -> None:
    write_taxonomies(root, en_US=text)
    with pytest.raises(SourceError) as error:
        read_taxonomy(root / "taxonomy/taxonomy-with-ids.en-US.txt")
    assert "taxonomy-with-ids.en-US.txt" in str(error.value)
    assert said in str(error.value)


def test_a_file_in_latin_1_is_refused_with_the_position(root: Path) -> None:
    file = root / "taxonomy/taxonomy-with-ids.de-DE.txt"
    file.write_bytes(GERMAN.encode("latin-1"))
    with pytest.raises(SourceError, match=f"is not UTF-8 from byte {GERMAN.index('ä')} on: download it again"):
        read_taxonomy(file)


def test_a_category_below_nothing_is_refused(root: Path) -> None:
    write_taxonomies(root, de_DE=HEADER + "99 - Nichts > Garnichts > Leere\n")
    with pytest.raises(SourceError, match=r"category 99 stands below 'Nichts > Garnichts', which has no line of its"):
        events_of(root, PARAMS, "de-DE")


def test_locales_without_a_file_are_all_named(root: Path) -> None:
    with pytest.raises(SourceError) as error:
        taxonomy_files(PARAMS, ["de-DE", "es-MX", "fr-BE"], root)
    assert "has no file taxonomy-with-ids.es-MX.txt (missing es-MX, fr-BE; there is de-DE, en-US)" in str(error.value)
    assert "take these locales out of `locales`, or put their files there" in str(error.value)


def test_a_locale_that_repeats_another_is_refused(root: Path) -> None:
    with pytest.raises(SourceError, match=r"en-AU repeats en-GB word for word: take en-AU out of `locales`"):
        taxonomy_files(PARAMS, ["en-AU", "en-GB"], root)


def open_pages(pages: dict[str, str], asked: list[str]) -> Callable[..., io.BytesIO]:
    def urlopen(address: str, timeout: float) -> io.BytesIO:
        assert timeout > 0
        asked.append(address)
        if address not in pages:
            raise urllib.error.URLError("Name or service not known")
        return io.BytesIO(pages[address].encode())

    return urlopen


def address(locale: str) -> str:
    return f"https://www.google.com/basepages/producttype/taxonomy-with-ids.{locale}.txt"


def test_without_a_path_missing_files_are_downloaded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    pages = {address("en-US"): ENGLISH, address("de-DE"): GERMAN}
    monkeypatch.setattr("urllib.request.urlopen", open_pages(pages, asked))
    for _ in range(2):
        files = taxonomy_files(changed(path=None), ["de-DE"], tmp_path)
    assert sorted(asked) == sorted(pages)
    assert files["de-DE"] == tmp_path / "data/google-product-taxonomy/taxonomy-with-ids.de-DE.txt"
    assert files["de-DE"].read_text(encoding="utf-8") == GERMAN


@pytest.mark.parametrize(
    ("pages", "said"),
    [
        ({}, "could not be downloaded: <urlopen error Name or service not known>"),
        ({address("en-US"): "<html>Before you continue"}, "the answer is no taxonomy, it begins b'<html>Before you"),
    ],
)
def test_a_download_that_fails_names_the_address_and_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pages: dict[str, str], said: str
) -> None:
    monkeypatch.setattr("urllib.request.urlopen", open_pages(pages, []))
    with pytest.raises(SourceError) as error:
        taxonomy_files(changed(path=None), ["en-US"], tmp_path)
    assert str(error.value).startswith(address("en-US"))
    assert said in str(error.value)
    assert "set ingest.google_taxonomy.path to its folder" in str(error.value)
    assert not list(tmp_path.rglob("*.txt"))
