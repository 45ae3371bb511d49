"""A log on a real S3 service: landed by `resolve`, each object once, and read by `ingest`."""

import datetime
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import s3fs
from s3_service import s3_bucket

from q2pt_tasks.layout import Layout
from q2pt_tasks.params_edit import edit_params
from q2pt_tasks.sources.manifest import SourceError, read_manifest
from q2pt_tasks.sources.resolve import resolve
from q2pt_tasks.stages import ingest

pytestmark = [pytest.mark.slow, pytest.mark.enable_socket]

HEADER = "event_date,locale,query,product_id,impressions,clicks,carts,purchases\n"
TODAY = datetime.date(2026, 7, 1)


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with s3_bucket("shop") as url:
        yield url


@pytest.fixture
def bucket(service: str, monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ANN401
    """A bucket with a log of two days and a catalog."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", service)
    monkeypatch.delenv("Q2PT_STATE_DIR", raising=False)
    bucket = boto3.resource("s3", endpoint_url=service).Bucket("shop")
    bucket.objects.all().delete()
    for day in ("2026-06-29", "2026-06-30"):
        bucket.put_object(Key=f"log/{day}/rows.csv", Body=f"{HEADER}{day},en-GB,shoes,p1,9,3,1,0\n".encode())
    bucket.put_object(Key="log/_SUCCESS", Body=b"")
    bucket.put_object(Key="log-2/of another.csv", Body=f"{HEADER}2026-06-30,en-GB,hats,p1,9,3,1,0\n".encode())
    bucket.put_object(Key="catalog.csv", Body=b"product_id,locale,product_type\np1,en-GB,SHOES\n")
    return bucket


@pytest.fixture
def shop(bucket: Any, tmp_path: Path) -> Layout:  # noqa: ANN401, ARG001
    layout = Layout(tmp_path)
    shutil.copy("params.yaml", layout.params)
    changes = {
        "locales": ["en-GB"],
        "ingest.source": "events",
        "ingest.window_days": 2,
        "ingest.events.path": "s3://shop/log",
        "ingest.events.catalog": "s3://shop/catalog.csv",
        "ingest.events.landing": "landing",
    }
    edit_params(layout.params, changes)
    return layout


def landed(layout: Layout) -> dict[str, float]:
    return {file.name: file.stat().st_ctime for file in (layout.root / "landing").iterdir()}


def test_a_log_on_s3_is_read_as_one_on_disk(shop: Layout) -> None:
    assert "Source events, 3 files" in resolve(shop, TODAY)
    assert read_manifest(shop.source_manifest).last_day == datetime.date(2026, 6, 30)
    report = ingest.main(shop)
    assert (report.days, report.rows, report.products) == (2, 2, 1)


def test_only_new_and_replaced_objects_are_fetched(shop: Layout, bucket: Any) -> None:  # noqa: ANN401
    resolve(shop, TODAY)
    first = {file.path for file in read_manifest(shop.source_manifest).files}
    for file in (shop.root / "landing").iterdir():
        file.write_text(f"{file.read_text()}\n")  # who fetched it again would undo this
    kept = {file.name: file.read_bytes() for file in (shop.root / "landing").iterdir()}
    bucket.put_object(Key="log/2026-06-30/rows.csv", Body=f"{HEADER}2026-06-30,en-GB,boots,p1,9,4,1,0\n".encode())
    resolve(shop, TODAY)
    second = {file.path for file in read_manifest(shop.source_manifest).files}
    assert len(second - first) == 1
    assert all((shop.root / "landing" / name).read_bytes() == content for name, content in kept.items())
    assert ingest.main(shop).rows == 2


def test_an_object_that_is_replaced_while_it_is_fetched_is_not_taken_for_the_one_before(
    shop: Layout,
    bucket: Any,  # noqa: ANN401
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    get_file = s3fs.S3FileSystem.get_file

    def replaced_meanwhile(store: Any, key: str, path: str) -> None:  # noqa: ANN401
        if key.endswith("rows.csv"):
            bucket.put_object(
                Key=key.removeprefix("shop/"), Body=f"{HEADER}2026-06-30,en-GB,boots,p1,9,4,1,0\n".encode()
            )
        get_file(store, key, path)

    monkeypatch.setattr(s3fs.S3FileSystem, "get_file", replaced_meanwhile)
    with pytest.raises(SourceError, match=r"rows\.csv was replaced while it was fetched: run this again"):
        resolve(shop, TODAY)
    assert not [name for name in landed(shop) if name.endswith("-rows.csv")]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"path": "s3://shop/nothing"}, r"s3://shop/nothing holds no event files"),
        ({"path": "s3://nobody/log"}, r"s3://nobody/log (cannot be read|holds no event files)"),
        ({"catalog": "s3://shop/log"}, r"s3://shop/log is not one object: correct ingest\.events\.catalog"),
        ({"catalog": "catalog.csv"}, "give both on S3, or both on disk"),
        ({"landing": "params.yaml/folder"}, "cannot be made"),
    ],
)
def test_what_cannot_be_read_is_said(shop: Layout, change: dict[str, object], said: str) -> None:
    edit_params(shop.params, {f"ingest.events.{key}": value for key, value in change.items()})
    with pytest.raises(SourceError, match=said):
        resolve(shop, TODAY)


def test_an_object_of_another_kind_is_named(shop: Layout, bucket: Any) -> None:  # noqa: ANN401
    bucket.put_object(Key="log/rows.xlsx", Body=b"")
    with pytest.raises(SourceError, match=r"rows\.xlsx has an unknown file ending"):
        resolve(shop, TODAY)


def test_an_object_with_a_name_that_no_file_can_have_is_fetched_all_the_same(shop: Layout, bucket: Any) -> None:  # noqa: ANN401
    bucket.put_object(Key=f"log/{'a' * 300}.csv", Body=f"{HEADER}2026-06-30,en-GB,hats,p1,9,3,1,0\n".encode())
    resolve(shop, TODAY)
    assert ingest.main(shop).rows == 3
