"""Real category names in many languages: Google's product taxonomy, with click histories drawn around it.

A query is a category's own name, its product type the category's ancestor at a level. Google publishes the files
`taxonomy-with-ids.<locale>.txt` at the address below; an id means the same category in every locale.
"""

import http.client
import re
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from q2pt_tasks.data.queries import normalise_query, query_hash
from q2pt_tasks.data.schema import CATALOG, EVENTS
from q2pt_tasks.params import Section
from q2pt_tasks.sources.manifest import SourceError, locate

ADDRESS = "https://www.google.com/basepages/producttype/taxonomy-with-ids.{locale}.txt"
DOWNLOADS = "data/google-product-taxonomy"
LAST_DAY = date(2026, 6, 30)
# Queries have their past on one of the days before the last one.
PAST_DAYS = 7
# The most complete file, and so where an ancestor is looked up that another file lacks.
REFERENCE_LOCALE = "en-US"
# A locale whose file repeats another's word for word.
REPEATED = {"en-AU": "en-GB"}
# Share of the queries that the last day holds, and of those the share that never occurred before.
LAST_DAY_SHARE = 1 / 3
NEW_SHARE = 0.3

_HEADER = "# Google_Product_Taxonomy_Version"
_LINE = re.compile(r"([0-9]+) - (\S.*)")
# In ja-JP the middle dot, in zh-CN and ja-JP the enumeration comma stand where other languages write `&` and `,`.
_SEPARATORS = re.compile("[&,/＆，／、・]")
_ZERO_WIDTH_SPACE = "\u200b"

_Ints = npt.NDArray[np.int64]


class TaxonomyParams(Section):
    """Google's product taxonomy as a source: which level is the product type, and how the clicks are drawn."""

    path: Annotated[str, Field(min_length=1)] | None
    level: Annotated[int, Field(ge=2, le=3)]
    clicks: Annotated[int, Field(ge=1, le=10_000)]
    noise: Annotated[float, Field(ge=0, lt=1)]
    seed: Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class Category:
    """One line of a taxonomy file: its id and the names from the root down to itself."""

    id: str
    path: tuple[str, ...]


@dataclass(frozen=True)
class _Vocabulary:
    """The queries of one locale; query i means the types `types[starts[i]:starts[i + 1]]`, indices into `type_ids`."""

    queries: list[str]
    type_ids: list[str]
    starts: _Ints
    types: _Ints


def taxonomy_files(params: TaxonomyParams, locales: Iterable[str], root: Path) -> dict[str, Path]:
    """The file of every locale and of the reference locale; downloads what is not there if no path is given.

    Raises:
        SourceError: a locale has no file, only repeats another one, or cannot be downloaded.
    """
    wanted = sorted({*locales, REFERENCE_LOCALE})
    for locale in set(wanted) & set(REPEATED):
        raise SourceError(
            f"Google's taxonomy in {locale} repeats {REPEATED[locale]} word for word: take {locale} out of `locales`"
        )
    folder = locate(root, taxonomy_folder(params))
    files = {locale: folder / f"taxonomy-with-ids.{locale}.txt" for locale in wanted}
    for locale, file in files.items():
        if params.path is None and not file.exists():
            _download(ADDRESS.format(locale=locale), file)
    _check_all_there(files, folder)
    return files


def taxonomy_folder(params: TaxonomyParams) -> str:
    """Where the files lie, absolute or below the repository's root."""
    return params.path or DOWNLOADS


def read_taxonomy(file: Path) -> list[Category]:
    """The categories of a taxonomy file, in its order.

    Raises:
        SourceError: the file is not UTF-8 or a line is not a category.
    """
    try:
        header, *lines = file.read_text(encoding="utf-8-sig").splitlines() or [""]
    except UnicodeDecodeError as error:
        raise SourceError(f"{file} is not UTF-8 from byte {error.start} on: download it again") from None
    if not header.startswith(_HEADER) or not lines:
        raise SourceError(f"{file} is not a taxonomy file: it begins {header[:80]!r}, expected {_HEADER!r} and lines")
    return [_category(file, number, line) for number, line in enumerate(lines, start=2) if line.strip()]


def make_catalog(files: Mapping[str, Path], locales: Iterable[str], level: int) -> pa.Table:
    """One product per product type and locale."""
    rows = [
        {"product_id": _product(type_id), "locale": locale, "product_type": f"GPC_{type_id}"}
        for locale in locales
        for type_id in _vocabulary(files, locale, level).type_ids
    ]
    return pa.Table.from_pylist(rows, schema=CATALOG)


def make_events(files: Mapping[str, Path], locales: Iterable[str], params: TaxonomyParams) -> Iterator[pa.Table]:
    """The drawn events of one locale after the other; the same for the same files and params.

    Every query has its past on one of `PAST_DAYS` days, except the new ones, which occur on the last day only. The
    last day holds a third of the queries, drawn and clicked by Zipf's law.
    """
    for locale in locales:
        vocabulary = _vocabulary(files, locale, params.level)
        yield _draw_events(vocabulary, locale, params)


def split_name(name: str) -> list[str]:
    """The queries in a category's name: `Food & Water Dishes` is two."""
    return [part for text in _SEPARATORS.split(name.replace(_ZERO_WIDTH_SPACE, "")) if (part := text.strip())]


def _product(type_id: str) -> str:
    return f"product_{type_id}"


def _category(file: Path, number: int, line: str) -> Category:
    match = _LINE.fullmatch(line)
    if not match:
        raise SourceError(f"{file}, line {number}: expected 'ID - NAME > NAME', found {line[:80]!r}: download it again")
    return Category(match[1], tuple(name.strip() for name in match[2].split(" > ")))


def _check_all_there(files: Mapping[str, Path], folder: Path) -> None:
    missing = [locale for locale, file in files.items() if not file.is_file()]
    if not missing:
        return
    there = sorted(file.name.split(".")[1] for file in folder.glob("taxonomy-with-ids.*.txt"))
    raise SourceError(
        f"{folder} has no file {files[missing[0]].name} (missing {', '.join(missing)}; there is "
        f"{', '.join(there) or 'none'}): take these locales out of `locales`, or put their files there "
        f"({REFERENCE_LOCALE} is always needed)"
    )


def _download(address: str, file: Path) -> None:
    try:
        with urllib.request.urlopen(address, timeout=60) as response:  # noqa: S310 - the address is https, see above
            content: bytes = response.read()
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        raise _not_downloaded(address, file, str(error)) from error
    if not content.startswith((_HEADER.encode(), b"\xef\xbb\xbf" + _HEADER.encode())):
        raise _not_downloaded(address, file, f"the answer is no taxonomy, it begins {content[:40]!r}")
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".part")
    partial.write_bytes(content)
    partial.replace(file)


def _not_downloaded(address: str, file: Path, problem: str) -> SourceError:
    return SourceError(
        f"{address} could not be downloaded: {problem}. If Google has no such locale, take it out of `locales`; else "
        f"download the file by hand as {file.name} and set ingest.google_taxonomy.path to its folder"
    )


def _vocabulary(files: Mapping[str, Path], locale: str, level: int) -> _Vocabulary:
    """All queries of a locale, each with the types it means, as often as categories say so."""
    types: dict[str, list[str]] = {}
    spelling: dict[str, str] = {}
    for category, type_id in _typed_categories(files, locale, level):
        for name in split_name(category.path[-1]):
            # Two spellings of one query would give it two histories, and a new query a past.
            query = normalise_query(name)
            spelling.setdefault(query, name)
            types.setdefault(query, []).append(type_id)
    type_ids = sorted(set().union(*types.values()), key=int)
    index = {type_id: number for number, type_id in enumerate(type_ids)}
    starts = np.cumsum([0, *(len(ids) for ids in types.values())])
    flat = np.array([index[type_id] for ids in types.values() for type_id in ids], dtype=np.int64)
    return _Vocabulary([spelling[query] for query in types], type_ids, starts, flat)


def _typed_categories(files: Mapping[str, Path], locale: str, level: int) -> Iterator[tuple[Category, str]]:
    """The categories at `level` and below with the id of their ancestor at `level`."""
    categories = read_taxonomy(files[locale])
    ids = {category.path: category.id for category in reversed(categories)}
    reference = _reference_ancestors(files[REFERENCE_LOCALE], level)
    for category in categories:
        if len(category.path) < level:
            continue
        type_id = ids.get(category.path[:level]) or reference.get(category.id)
        if type_id is None:
            parent = " > ".join(category.path[:level])
            raise SourceError(
                f"{files[locale]}: category {category.id} stands below {parent!r}, which has no line of its own, here "
                f"or in {REFERENCE_LOCALE}: download the file again"
            )
        yield category, type_id


def _reference_ancestors(file: Path, level: int) -> dict[str, str]:
    categories = read_taxonomy(file)
    ids = {category.path: category.id for category in categories}
    return {c.id: ids[c.path[:level]] for c in categories if c.path[:level] in ids and len(c.path) >= level}


def _draw_events(vocabulary: _Vocabulary, locale: str, params: TaxonomyParams) -> pa.Table:
    rng = np.random.default_rng([params.seed, query_hash(locale)])
    count = len(vocabulary.queries)
    popularity = 1 / (1 + rng.permutation(count))
    sampled = max(1, round(count * LAST_DAY_SHARE))
    last_day = rng.choice(count, size=sampled, replace=False, p=popularity / popularity.sum())
    new = rng.choice(last_day, size=round(sampled * NEW_SHARE), replace=False)
    past = np.setdiff1d(np.arange(count), new)
    days_ago = rng.integers(1, PAST_DAYS + 1, size=len(past))
    # Half of the last day's clicks follow Zipf's law; the even half leaves each query enough of them for a label.
    traffic = popularity[last_day] / popularity[last_day].sum()
    mean_last_day = params.clicks * (1 + sampled * traffic) / 2
    queries = np.concatenate([past, last_day])
    means = np.concatenate([np.full(len(past), float(params.clicks)), mean_last_day])
    clicks = 1 + rng.poisson(np.maximum(means - 1, 0))
    days = np.concatenate([days_ago, np.zeros(sampled, dtype=np.int64)])
    return _draw_rows(rng, vocabulary, locale, params.noise, (queries, days, clicks))


def _draw_rows(
    rng: np.random.Generator, vocabulary: _Vocabulary, locale: str, noise: float, histories: tuple[_Ints, _Ints, _Ints]
) -> pa.Table:
    """One row per history (query, days ago, clicks) and type that was clicked."""
    queries, days, clicks = histories
    history = np.repeat(np.arange(len(queries)), clicks)
    types = _draw_types(rng, vocabulary, queries[history], noise)
    pairs, counts = np.unique(np.stack([history, types]), axis=1, return_counts=True)
    history, types = pairs
    carts = rng.binomial(counts, 0.2)
    return pa.table(
        {
            "event_date": [LAST_DAY - timedelta(days=int(ago)) for ago in days[history]],
            "locale": [locale] * len(history),
            "query": [vocabulary.queries[query] for query in queries[history]],
            "product_id": [_product(vocabulary.type_ids[number]) for number in types],
            "impressions": counts + rng.poisson(3 * counts),
            "clicks": counts,
            "carts": carts,
            "purchases": rng.binomial(carts, 0.4),
        },
        schema=EVENTS,
    )


def _draw_types(rng: np.random.Generator, vocabulary: _Vocabulary, queries: _Ints, noise: float) -> _Ints:
    """The type that each click lands on: one that the query means, or with probability `noise` another one."""
    starts, ends = vocabulary.starts[queries], vocabulary.starts[queries + 1]
    right = vocabulary.types[rng.integers(starts, ends)]
    types = len(vocabulary.type_ids)
    wrong = (right + rng.integers(1, max(types, 2), size=len(queries))) % types
    return np.where(rng.random(len(queries)) < noise, wrong, right)
