"""Places in params, which are committed: never with what opens them."""

import pytest

from q2pt_tasks.sources.addresses import check_place
from q2pt_tasks.sources.manifest import SourceError


@pytest.mark.parametrize(
    "place",
    [
        "data/events",
        "/srv/what?is/a@b",
        "shop.events",
        "s3://bucket/events",
        "s3a://bucket/mail@shop/a:b",
        "file:///srv/events",
        "abfss://container@account.dfs.core.windows.net/events",
        "hdfs://reader@namenode:8020/events",
    ],
)
def test_a_place_is_taken(place: str) -> None:
    check_place("ingest.lake.events", place)


@pytest.mark.parametrize(
    "place",
    [
        "s3://key:s3cret@bucket/events",
        "s3://s3cret@bucket/events",
        "S3A://key:s3c/ret@bucket/events",
        "s3://bucket/events?X-Amz-Signature=s3cret",
        "abfss://container@account.dfs.core.windows.net/events?sig=s3cret",
        "abfss://container:s3cret@account.dfs.core.windows.net/events",
        "hdfs://reader:s3/cret@namenode:8020/events",
        "https://a.example/events\n?sig=s3cret",
        "no scheme://s3cret@host/events",
    ],
)
def test_what_opens_a_place_is_refused_and_not_repeated(place: str) -> None:
    with pytest.raises(
        SourceError, match=r"^ingest\.lake\.events is an address with .* such as s3://bucket"
    ) as refused:
        check_place("ingest.lake.events", place)
    assert "s3c" not in str(refused.value)
