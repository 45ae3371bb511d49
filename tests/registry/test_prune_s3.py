"""Retention where the remote is a bucket."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from night_shop import START, NightShop
from s3_service import s3_bucket

from q2pt_tasks.registry.prune import look, remove
from q2pt_tasks.registry.release import Store
from q2pt_tasks.registry.retention import Policy

pytestmark = [pytest.mark.slow, pytest.mark.enable_socket]


@pytest.fixture
def endpoint() -> Iterator[str]:
    """The URL of an S3 service with an empty bucket `night`."""
    with s3_bucket("night") as url:
        yield url


def test_a_bucket_keeps_what_is_needed_and_loses_queries_and_the_rest(endpoint: str, tmp_path: Path) -> None:
    shop = NightShop(tmp_path, Store("s3://night/dvc store", endpoint)).make()
    for name, day in {"one": 10, "two": 20, "three": 30}.items():
        shop.night(name, day)
        shop.release(name, day)
    # A bucket's objects are of the moment of their upload.
    now = datetime.now(UTC) + timedelta(days=60)
    assert now > START
    policy = Policy(1, timedelta(days=7), timedelta(days=30), frozenset({"data/raw"}))
    cache, bucket = shop.place().stores
    assert cache.objects().keys() == bucket.objects().keys()
    assert {one.key for one in cache.results()} == {one.key for one in bucket.results()}

    early = look(shop.place(), policy, datetime.now(UTC))
    assert not early.surplus[1].objects, "all of it is young there"

    remove(shop.place(), look(shop.place(), policy, now), policy, now)
    for store in (cache, bucket):
        objects = store.objects()
        for name in ("two", "three"):
            assert shop.whole(store, shop.outs(name)["models/m"])
            assert shop.outs(name)["metrics.json"] in objects
            assert shop.outs(name)["data/raw"] not in objects
        assert shop.outs("one")["models/m"] not in objects
        assert {output.path for result in store.results() for output in result.outputs} == {"models/m", "metrics.json"}
    assert look(shop.place(), policy, now).is_empty
