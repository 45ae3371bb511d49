"""Tables of Apache Iceberg: in files, in catalogs, in stores, and as of which snapshot."""

from pathlib import Path

import pytest
from lake_tables import MONTH, NEWEST, Iceberg, as_events, rows_of, use_settings

from q2pt_tasks.sources.iceberg_table import open_iceberg
from q2pt_tasks.sources.manifest import SourceError, Window

pytest.importorskip("pyiceberg", reason="make lakes")


def test_a_metadata_file_or_a_folder_with_a_hint_is_an_iceberg_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Iceberg(tmp_path / "lake", monkeypatch)
    lake.write(lake.events, rows_of(NEWEST))
    metadata = Path(lake.house.load_table(lake.events).metadata_location.removeprefix("file://"))
    folder = str(metadata.parent.parent)
    assert open_iceberg("a/file", str(metadata), None).newest_day(MONTH) == NEWEST
    with pytest.raises(
        SourceError, match=r"table a/folder cannot be read .*: give a folder with metadata/version-hint"
    ):
        open_iceberg("a/folder", folder, None)
    (metadata.parent / "version-hint.text").write_text(metadata.name)
    assert open_iceberg("a/folder", folder, None).newest_day(MONTH) == NEWEST


def test_the_newest_snapshot_is_read_as_it_is_by_its_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Iceberg(tmp_path / "lake", monkeypatch)
    lake.write(lake.events, rows_of(NEWEST))
    for old, new in (("clicks", "other"), ("impressions", "clicks"), ("other", "impressions"), ("event_date", "day")):
        with lake.change() as update:
            update.rename_column(old, new)
    newest = open_iceberg(lake.events, "nowhere", None)
    again = open_iceberg(lake.events, "nowhere", newest.version)
    assert newest.columns() == again.columns() == as_events([]).column_names
    for table in (newest, again):
        assert table.newest_day(MONTH) == NEWEST
        (counts,) = {
            (row["clicks"], row["impressions"])
            for batch in table.read(["clicks", "impressions"], Window(NEWEST, NEWEST))
            for row in batch.to_pylist()
            if row["impressions"] is not None
        }
        assert counts == (3, 9)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"URI": "mysql://shop:s3cret@db/ice"}, r"ValueError: .*mysql://…@db/ice"),
        ({"URI": "sqlite:////nowhere/catalog.db", "TYPE": "sql"}, r"OperationalError: "),
        # A test may use no socket.
        ({"URI": "http://shop:s3cret@127.0.0.1:9/", "TYPE": "rest"}, r"SocketBlockedError: "),
        ({"TYPE": "hive", "URI": "thrift://127.0.0.1:9"}, r"\w+: "),
        ({"TYPE": "nothing"}, r"ValueError: 'nothing' is not"),
    ],
)
def test_a_catalog_that_cannot_be_opened_is_named_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], said: str
) -> None:
    use_settings(monkeypatch, settings)
    with pytest.raises(
        SourceError, match=rf"table shop\.events cannot be read \({said}.*PYICEBERG_CATALOG__DEFAULT__URI"
    ) as refused:
        open_iceberg("shop.events", str(tmp_path / "shop.events"), None)
    assert "s3cret" not in str(refused.value)


def test_a_store_that_needs_another_package_and_a_broken_metadata_file_are_named(tmp_path: Path) -> None:
    broken = tmp_path / "v1.metadata.json"
    broken.write_text('{"format-version": 2}')
    with pytest.raises(
        SourceError, match=r"table v1\.metadata\.json cannot be read \(ValidationError: .*metadata file"
    ):
        open_iceberg("v1.metadata.json", str(broken), None)
    place = "abfss://container@account.dfs.core.windows.net/events"
    with pytest.raises(SourceError, match=r"cannot be read \(ModuleNotFoundError: No module named 'adlfs'\)"):
        open_iceberg(place, place, None)


def test_what_pyiceberg_is_told_of_a_store_comes_before_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Iceberg(tmp_path / "lake", monkeypatch)
    lake.write(lake.events, rows_of(NEWEST))
    for variable in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://store:7070")
    told = open_iceberg(lake.events, "nowhere", None).table.io.properties
    assert (told["s3.endpoint"], told["client.region"]) == ("http://store:7070", "us-east-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    use_settings(monkeypatch, {"S3__ENDPOINT": "http://own:1"})
    told = open_iceberg(lake.events, "nowhere", None).table.io.properties
    assert (told["s3.endpoint"], told["client.region"]) == ("http://own:1", "eu-west-1")


def test_a_name_with_a_hyphen_is_one_of_the_catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Iceberg(tmp_path / "lake", monkeypatch)
    lake.house.create_namespace("my-shop")
    lake.write("my-shop.click-log", rows_of(NEWEST))
    assert open_iceberg("my-shop.click-log", str(tmp_path / "my-shop.click-log"), None).newest_day(MONTH) == NEWEST
    (tmp_path / "shop.events").mkdir()
    with pytest.raises(SourceError, match=r"version-hint\.text.*: give a folder with"):
        open_iceberg("shop.events", str(tmp_path / "shop.events"), None)
