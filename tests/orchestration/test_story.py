"""A shop's nights one after the other: promoted, refused, routed by store, a new store, renewed by age, rolled back."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import replace
from pathlib import Path

import boto3
import pytest
from checkpoints import random_checkpoint
from dvc.repo import Repo
from night_repository import LOCALES, UPSTREAM, Shop, checkpoints_of, verdict

from q2pt_tasks.orchestration import rollback
from q2pt_tasks.orchestration.clone import private_clone
from q2pt_tasks.orchestration.promote import promote
from q2pt_tasks.registry.candidate import PromotionRefusedError
from q2pt_tasks.registry.history import Move, to_lines
from q2pt_tasks.registry.opening import open_release
from q2pt_tasks.registry.repository import open_registry

pytestmark = [pytest.mark.slow, pytest.mark.enable_socket, pytest.mark.timeout(1200)]

NEW_STORE = "nl-NL"
RENDERED = {
    **UPSTREAM,
    f"train_non_unified@{NEW_STORE}": ("ingest", "encoder"),
    "evaluate": (*UPSTREAM["evaluate"], f"train_non_unified@{NEW_STORE}"),
}


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an S3 service with the bucket `shop`."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "shop")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    command = [str(Path(sys.executable).parent / "moto_server"), "--host", "127.0.0.1", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        assert server.stdout is not None
        found = next(filter(None, (re.search(r"http://127\.0\.0\.1:\d+", line) for line in server.stdout)))
        boto3.resource("s3", endpoint_url=found[0]).Bucket("shop").create()
        yield found[0]
        server.kill()


@pytest.fixture(params=["directory", "s3"])
def shop(new_shop: Shop, tmp_path: Path, request: pytest.FixtureRequest) -> Shop:
    """A shop with a DVC remote of either kind."""
    if request.param == "directory":
        new_shop.settings = replace(new_shop.settings, dvc_remote=str(tmp_path / "remote"))
    else:
        url = request.getfixturevalue("endpoint")
        new_shop.settings = replace(new_shop.settings, dvc_remote="s3://shop/data", dvc_remote_endpoint=url)
    return new_shop


def _night(shop: Shop, name: str, decision: str) -> str | None:
    """A night with other models; the version that it makes, None where it is refused."""
    shop.commit(name=f"{name}\n", verdict=decision)
    plan = shop.configure(name, rendered=RENDERED)
    shop.run_stages(plan)
    shop.join(plan)
    try:
        return promote(shop.settings, shop.plan, shop.joined).version
    except PromotionRefusedError:
        return None


def _decision(sentence: str, *, promote: bool = True, kept: tuple[str, ...] = ()) -> str:
    return json.dumps({**json.loads(verdict(promote=promote)), "sentence": sentence, "kept_locales": kept})


def _moves(shop: Shop) -> list[Move]:
    with open_registry(shop.settings.git_remote) as registry:
        return registry.moves(registry.refs(), "prod")


def _served_by(shop: Shop, folder: Path) -> dict[str, str]:
    """The night whose model a consumer with the registry's URL alone gets, by store."""
    opened = open_release("prod", shop.settings.git_remote, folder)
    found = {locale: opened.checkpoint_of(locale) for locale in opened.locales}
    return {locale: (path / "night.txt").read_text().splitlines()[-1] for locale, path in found.items() if path}


def test_a_shops_nights(shop: Shop, tmp_path: Path) -> None:
    cache = tmp_path / "consumer"
    assert _night(shop, "first", _decision("the first")) == "v1"
    assert _night(shop, "worse", _decision("worse on test", promote=False)) is None
    assert _night(shop, "uneven", _decision("better, but not in fr-BE", kept=("fr-BE",))) == "v2"
    assert _served_by(shop, cache) == {"en-US": "uneven", "fr-BE": "first"}
    random_checkpoint(checkpoints_of(shop) / NEW_STORE, "non_unified", (NEW_STORE,))
    shop.commit_params({"locales": [*LOCALES, NEW_STORE]})
    assert _night(shop, "wider", _decision("it adds nl-NL")) == "v3"
    assert _served_by(shop, cache) == dict.fromkeys(("en-US", "fr-BE", NEW_STORE), "wider")
    assert _night(shop, "narrow", _decision("it loses a product type with traffic", promote=False)) is None
    assert _night(shop, "newer", _decision("not inferior, and the champion is old")) == "v4"
    assert _served_by(shop, cache)["en-US"] == "newer"
    rollback.run(shop.settings, {"version": None, "why": "shoppers complain", "by": "Ada"})
    assert _served_by(shop, cache) == dict.fromkeys(("en-US", "fr-BE", NEW_STORE), "wider")

    moves = _moves(shop)
    assert [(move.kind, move.before, move.version, move.why, move.by) for move in moves] == [
        ("promotion", None, "v1", "the first", "Airflow run first"),
        ("promotion", "v1", "v2", "better, but not in fr-BE", "Airflow run uneven"),
        ("promotion", "v2", "v3", "it adds nl-NL", "Airflow run wider"),
        ("promotion", "v3", "v4", "not inferior, and the champion is old", "Airflow run newer"),
        ("rollback", "v4", "v3", "shoppers complain", "Ada"),
    ]
    assert to_lines(moves).splitlines()[0].endswith("rollback  v4 -> v3  by Ada")
    for version in ("v1", "v2", "v3", "v4"):
        _check_reproducible(shop, version)


def _check_reproducible(shop: Shop, version: str) -> None:
    """In a clean clone of a release's commit, with an empty cache, DVC brings all and has nothing to do."""
    with open_registry(shop.settings.git_remote) as registry:
        commit = registry.refs().commit_of(version)
    settings = replace(shop.settings, dvc_cache=shop.settings.work_dir / f"empty-{version}")
    with private_clone(settings, commit) as clone, chdir(clone), Repo() as repo:
        repo.pull()
        assert repo.reproduce(pull=True) == []
        assert repo.status() == {}
