"""The files of a release from an S3 service and from a directory: whole, hashed, or an error that says what to do."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from release_shop import ReleaseShop
from s3_service import CREDENTIALS, s3_service

from q2pt_tasks.model.champion import hash_folder
from q2pt_tasks.registry.objects import ObjectStore, StoreError
from q2pt_tasks.registry.release import Store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory with a file in a directory."""
    (tmp_path / "model/in").mkdir(parents=True)
    (tmp_path / "model/metadata.json").write_text("{}")
    (tmp_path / "model/in/ü.txt").write_text("für")
    return tmp_path / "model"


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an S3 service."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with s3_service() as url:
        yield url


@pytest.fixture
def bucket(endpoint: str, empty_shop: ReleaseShop, folder: Path) -> Any:  # noqa: ANN401 - boto3 makes its classes when it runs
    """A bucket with all that DVC has of the directory."""
    empty_shop.hash_of(folder)
    bucket = boto3.resource("s3", endpoint_url=endpoint).Bucket("releases")
    bucket.create()
    for file in (empty_shop.store / "files").rglob("*"):
        if file.is_file():
            bucket.upload_file(str(file), f"dvc store/{file.relative_to(empty_shop.store).as_posix()}")
    return bucket


def test_a_directory_comes_as_it_was(empty_shop: ReleaseShop, folder: Path, tmp_path: Path) -> None:
    md5 = empty_shop.hash_of(folder)
    store = ObjectStore(Store(str(empty_shop.store)))
    for _ in range(2):
        store.fetch_directory(md5, tmp_path / "got")
        assert hash_folder(tmp_path / "got") == hash_folder(folder)


def put(store: Path, content: bytes, ending: str = "") -> str:
    """Puts an object into a DVC store as somebody does who may write there; its hash."""
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    file = store / "files/md5" / md5[:2] / f"{md5[2:]}{ending}"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return f"{md5}{ending}"


@pytest.mark.parametrize("name", ["../../../stolen", "in/../../../../stolen", "{outside}/stolen"])
def test_a_file_of_a_directory_cannot_be_written_elsewhere(name: str, tmp_path: Path) -> None:
    store, name = tmp_path / "store", name.format(outside=tmp_path)
    own = put(store, b"owned")
    listing = put(store, json.dumps([{"md5": own, "relpath": name}]).encode(), ".dir")
    with pytest.raises(StoreError, match=rf"the object {listing} .* is no directory's: .* does not lie in the folder"):
        ObjectStore(Store(str(store))).fetch_directory(listing, tmp_path / "deep/down/got")
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == sorted([listing[2:], own[2:]]), (
        "nothing but the store's own objects"
    )


def test_what_is_no_listing_is_refused(tmp_path: Path) -> None:
    store = tmp_path / "store"
    for content in (b"[[]]", b"\xff", b"{}"):
        with pytest.raises(StoreError, match="is no directory's"):
            ObjectStore(Store(str(store))).fetch_directory(put(store, content, ".dir"), tmp_path / "got")


@pytest.mark.slow
@pytest.mark.enable_socket
def test_a_directory_comes_from_an_s3_service(
    bucket: Any,  # noqa: ANN401
    endpoint: str,
    empty_shop: ReleaseShop,
    folder: Path,
    tmp_path: Path,
) -> None:
    md5 = empty_shop.hash_of(folder)
    store = ObjectStore(Store("s3://releases/dvc store", endpoint))
    store.fetch_directory(md5, tmp_path / "got")
    assert hash_folder(tmp_path / "got") == hash_folder(folder)
    key = f"dvc store/files/md5/{md5[:2]}/{md5[2:]}"
    bucket.put_object(Key=key, Body=b"[]")
    with pytest.raises(StoreError, match=r"the object releases/dvc store/files/md5/.* is damaged"):
        store.fetch_directory(md5, tmp_path / "again")
    bucket.Object(key).delete()
    with pytest.raises(StoreError, match="the store s3://releases/dvc store has no object"):
        store.fetch_directory(md5, tmp_path / "again")
    assert not (tmp_path / "again").exists()


@pytest.mark.slow
@pytest.mark.enable_socket
def test_a_service_that_cannot_be_reached_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    store = ObjectStore(Store("s3://releases/store", "http://127.0.0.1:9"))
    with pytest.raises(StoreError, match="the store s3://releases/store cannot be read"):
        store.fetch_directory("0" * 32 + ".dir", tmp_path / "got")


def test_a_url_of_no_kind_that_dvc_knows_is_refused() -> None:
    with pytest.raises(StoreError, match="carrier://pigeon is no store of DVC"):
        ObjectStore(Store("carrier://pigeon"))
