import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from q2pt_tasks.sources.judgements import read_judged_rows, write_judgements_manifest
from q2pt_tasks.sources.manifest import SourceError

EXPECTED = [{"locale": "en-US", "query": "boots, warm", "product_types": ["boots", "shoes"]}]


def manifest(root: Path) -> Path:
    return root / "data/judgements.json"


def read(root: Path, name: str | None) -> list[dict[str, object]] | None:
    write_judgements_manifest(name, root, manifest(root))
    rows = read_judged_rows(name, root, manifest(root))
    return None if rows is None else rows.to_pylist()


def write_csv(path: Path, types: str = "boots|shoes") -> None:
    path.write_text(f'locale,query,product_types\nen-US,"boots, warm",{types}\n', encoding="utf-8")


def test_csv_separates_the_types_of_a_query_in_their_cell(tmp_path: Path) -> None:
    write_csv(tmp_path / "human.csv")
    assert read(tmp_path, "human.csv") == EXPECTED


@pytest.mark.parametrize("types", [pa.array([["boots", "shoes"]]), pa.array(["boots|shoes"])])
def test_parquet_has_a_list_or_the_text_of_csv(tmp_path: Path, types: pa.Array) -> None:
    table = pa.table({"locale": ["en-US"], "query": ["boots, warm"], "product_types": types, "judge": ["anna"]})
    pq.write_table(table, tmp_path / "human.parquet")
    assert read(tmp_path, "human.parquet") == EXPECTED


def test_without_a_file_there_are_no_judgements(tmp_path: Path) -> None:
    assert read(tmp_path, None) is None


def test_the_manifest_names_a_file_outside_by_its_absolute_path_and_hash(tmp_path: Path) -> None:
    write_csv(tmp_path / "human.csv")
    sentence = write_judgements_manifest(str(tmp_path / "human.csv"), tmp_path / "project", manifest(tmp_path))
    found = json.loads(manifest(tmp_path).read_text())["file"]
    assert found["path"] == str(tmp_path / "human.csv")
    assert found["size"] == (tmp_path / "human.csv").stat().st_size
    assert "human.csv" in sentence


@pytest.mark.parametrize(
    ("name", "message"), [("none.csv", "does not exist"), (".", "is a folder"), ("a.xlsx", "unknown file ending")]
)
def test_resolve_refuses_what_is_no_such_file(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "a.xlsx").touch()
    with pytest.raises(SourceError, match=message):
        write_judgements_manifest(name, tmp_path, manifest(tmp_path))


def test_a_file_that_changed_since_it_was_resolved_is_refused(tmp_path: Path) -> None:
    write_csv(tmp_path / "human.csv")
    write_judgements_manifest("human.csv", tmp_path, manifest(tmp_path))
    write_csv(tmp_path / "human.csv", "shoes")
    with pytest.raises(SourceError, match="has changed since it was resolved"):
        read_judged_rows("human.csv", tmp_path, manifest(tmp_path))


@pytest.mark.parametrize(("resolved", "asked"), [(None, "human.csv"), ("human.csv", None), ("human.csv", "new.csv")])
def test_another_file_than_the_resolved_one_is_refused(tmp_path: Path, resolved: str | None, asked: str | None) -> None:
    write_csv(tmp_path / "human.csv")
    write_csv(tmp_path / "new.csv")
    write_judgements_manifest(resolved, tmp_path, manifest(tmp_path))
    with pytest.raises(SourceError, match=r"was resolved: run `q2pt resolve` again"):
        read_judged_rows(asked, tmp_path, manifest(tmp_path))


@pytest.mark.parametrize(("text", "message"), [(None, "not found: run `q2pt resolve`"), ("{}", "names no judgements")])
def test_a_manifest_that_says_nothing_is_refused(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        manifest(tmp_path).parent.mkdir()
        manifest(tmp_path).write_text(text)
    with pytest.raises(SourceError, match=message):
        read_judged_rows(None, tmp_path, manifest(tmp_path))


def test_a_column_that_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "human.csv").write_text("locale,query,product_type\nen-US,boots,boots\n")
    with pytest.raises(SourceError, match=r"'product_types' is missing.*'product_type' looks like it"):
        read(tmp_path, "human.csv")


def test_types_that_are_numbers_in_a_list_are_refused(tmp_path: Path) -> None:
    table = pa.table({"locale": ["en-US"], "query": ["boots"], "product_types": [[1, 2]]})
    pq.write_table(table, tmp_path / "human.parquet")
    with pytest.raises(SourceError, match=r"'product_types' .* is not a list of names"):
        read(tmp_path, "human.parquet")
