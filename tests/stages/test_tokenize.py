"""Tokens are written in pieces, and are those of all stores at once."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny import LOCALES, run_data_stages, tiny_project

from q2pt_tasks.layout import Layout
from q2pt_tasks.model.encoder import read_encoder
from q2pt_tasks.model.examples import TOKENS
from q2pt_tasks.model.tokenizer import QueryTokenizer, load_tokenizer, train_tokenizer
from q2pt_tasks.stages import tokenize

SPLITS = ("train", "validation")
AT_ONCE = 100


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """Tokenised in pieces so small that a store has several; one store has nothing to learn from."""
    layout = tiny_project(tmp_path_factory.mktemp("tokens"))
    run_data_stages(layout)
    empty = _queries(layout, "fr-BE", "train").slice(0, 0)
    pq.write_table(empty, layout.split("fr-BE", "train"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokenize, "ROWS_AT_ONCE", AT_ONCE)
        tokenize.main(layout)
    return layout


def _queries(layout: Layout, locale: str, split: str) -> pa.Table:
    return pq.ParquetFile(layout.split(locale, split)).read()


def _at_once(layout: Layout, folder: Path, locales: Sequence[str], split: str) -> pa.Table:
    """The tokens of all `locales`, made in one piece."""
    tokenizer, max_tokens = load_tokenizer(folder / "tokenizer"), read_encoder(layout).max_tokens
    tables = {locale: _queries(layout, locale, split) for locale in locales}
    queries = pa.concat_tables(tables.values())
    columns = {
        "locale": [locale for locale, table in tables.items() for _ in range(len(table))],
        "query": queries["query"],
        "token_ids": tokenizer.encode(queries["query"].to_pylist(), max_tokens),
        "product_types": queries["product_types"],
        "shares": queries["shares"],
    }
    return pa.table(columns, schema=TOKENS)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("locales", [LOCALES, ("en-US",), ("fr-BE",)])
def test_tokens_written_in_pieces_are_those_made_at_once(project: Layout, locales: Sequence[str], split: str) -> None:
    folder = project.unified_tokens() if locales == LOCALES else project.non_unified_tokens(locales[0])
    written = pq.ParquetFile(folder / f"{split}.parquet")
    assert written.schema_arrow.equals(TOKENS)
    assert written.read().equals(_at_once(project, folder, locales, split))
    if (locales, split) == (("en-US",), "train"):
        groups = [written.metadata.row_group(group).num_rows for group in range(written.num_row_groups)]
        assert len(groups) > 1
        assert max(groups) == AT_ONCE


def test_the_report_counts_all_queries_and_tokens_and_the_worst_store(project: Layout) -> None:
    report = tokenize.main(project)
    tables = {split: _at_once(project, project.unified_tokens(), LOCALES, split) for split in SPLITS}
    ids = [own for table in tables.values() for own in table["token_ids"].to_pylist()]
    assert (report.queries, report.tokens) == (len(ids), sum(map(len, ids)))
    unknown_token = load_tokenizer(project.unified_tokens() / "tokenizer").unknown_token

    def unknown_share(split: str, locale: str) -> float:
        rows = [row["token_ids"] for row in tables[split].to_pylist() if row["locale"] == locale]
        pieces = sum(len(row) - 2 for row in rows)
        return sum(row.count(unknown_token) for row in rows) / pieces if pieces else 0.0

    shares = {locale: max(unknown_share(split, locale) for split in SPLITS) for locale in LOCALES}
    assert report.unknown_share == max(shares.values()) == shares[report.worst_locale]
    assert report.unknown_share > 0


def test_the_unified_tokenizer_learns_from_every_training_query_once(project: Layout) -> None:
    texts = {text for locale in LOCALES for text in _queries(project, locale, "train")["query"].to_pylist()}
    expected: QueryTokenizer = train_tokenizer(sorted(texts), read_encoder(project).scratch.unified_vocabulary)
    found = load_tokenizer(project.unified_tokens() / "tokenizer")
    assert found.pieces.to_str() == expected.pieces.to_str()
