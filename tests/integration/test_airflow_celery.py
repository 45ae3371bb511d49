"""Nights on Celery with PostgreSQL and Redis: two workers that share a cache directory, then only an S3 service.

The services are those of docker-compose.yml, with its settings. The tests share them and go on from one another's
nights, in the order of this file.
"""

import json
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import chdir
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from airflow_api import ENDED, Run, wait_until
from airflow_cluster import Cluster, dump_table, missing_servers, running_cluster
from compose_file import read_env
from dvc.repo import Repo
from fast_project import STAGE_FILE, fast_pipeline, fast_stage
from night_repository import LOCALES, PIPELINE, VARIANTS, Shop, checkpoints_of, make_shop, verdict
from redis import Redis
from redis.exceptions import RedisError
from ruamel.yaml import YAML

from q2pt_tasks.layout import Layout
from q2pt_tasks.orchestration.branches import LOCK
from q2pt_tasks.orchestration.clone import private_clone
from q2pt_tasks.orchestration.graph import read_graph
from q2pt_tasks.orchestration.lock import read_lock
from q2pt_tasks.orchestration.settings import Settings
from q2pt_tasks.orchestration.store import SharedCache
from q2pt_tasks.params import read_section

pytestmark = [
    pytest.mark.slow,
    pytest.mark.enable_socket,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(bool(missing_servers()), reason=missing_servers()),
]

WORKERS = ("worker", "gpu-worker")
TRAININGS = {
    **{f"train_unified.{variant}": f"models/{variant}" for variant in VARIANTS},
    **{f"train_non_unified.{locale}": f"models/non_unified/{locale}" for locale in LOCALES},
}
# Tasks that run on the queues of the other worker.
STAGES = ("ingest", "encoder", "evaluate", "gate")
AROUND = ("configure", "join", "decide")
NIGHT_SECONDS = 300.0

# Writes half of a model, waits, and then adds to what is there: so that a rest of another try would show.
TRAIN = """\
mkdir -p "$2"
echo "$1" >> "$2/night.txt"
echo "$1" >> "{signals}/begun-$1"
until test -e "{signals}/go-on"; do sleep 0.2; done
cat data/raw/window.json name >> "$2/night.txt"
cp -r "{checkpoints}/$1/." "$2"
"""


@dataclass(frozen=True)
class Signals:
    """Files by which trainings and a test tell each other how far they are."""

    folder: Path

    def hold(self) -> None:
        """Lets trainings wait half way."""
        (self.folder / "go-on").unlink(missing_ok=True)
        for begun in self.folder.glob("begun-*"):
            begun.unlink()

    def go_on(self) -> None:
        (self.folder / "go-on").touch()

    def begun(self) -> list[str]:
        return sorted(self.times_begun())

    def times_begun(self) -> dict[str, int]:
        """How often each training has begun since `hold`, by its variant or locale."""
        files = self.folder.glob("begun-*")
        return {path.name.removeprefix("begun-"): len(path.read_text().splitlines()) for path in files}


@pytest.fixture(scope="module")
def signals(tmp_path_factory: pytest.TempPathFactory) -> Signals:
    signals = Signals(tmp_path_factory.mktemp("signals"))
    signals.go_on()
    return signals


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, signals: Signals) -> Shop:
    """A shop whose gate says no to its first model."""
    shop = make_shop(tmp_path_factory.mktemp("celery") / "shop")
    pipeline = YAML(typ="safe").load(PIPELINE)
    hints = YAML(typ="safe").load(Path("dvc.yaml"))["stages"]
    for name, stage in pipeline["stages"].items():
        stage["meta"] = hints[name]["meta"]
        for item in stage.get("matrix", ()):
            stage["cmd"] = f"sh -eu train.sh ${{item.{item}}} {stage['outs'][0]}"
            stage["deps"] = [*stage["deps"], "train.sh"]
    train = TRAIN.format(signals=signals.folder, checkpoints=checkpoints_of(shop))
    shop.commit(pipeline=_to_yaml(pipeline), verdict=verdict(promote=False), **{"train.sh": train})
    return shop


@pytest.fixture(scope="module")
def cluster(shop: Shop) -> Iterator[Cluster]:
    """Everything with two workers, which share a cache directory and nothing else."""

    def prepare(cluster: Cluster) -> Mapping[str, str]:
        served = cluster.repositories / "q2pt.git"
        shop.remote.rename(served)
        shop.settings = replace(shop.settings, git_remote=str(served))
        _render(cluster, shop)
        # The worker of the stages also takes the queue of those that push, and pushes where they do.
        pushing = cluster.environment("commit-worker")["Q2PT_GIT_REMOTE"]
        return {"Q2PT_GIT_REMOTE": pushing, **_only_a_cache(shop)}

    with running_cluster(prepare, WORKERS, WORKER_QUEUES="default,commits", GPU_SLOTS="2") as cluster:
        cluster.api.wait_for_run(cluster.api.scheduled_run(NIGHT_SECONDS), NIGHT_SECONDS)
        yield cluster


@pytest.fixture(scope="module")
def on_s3(cluster: Cluster, shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The same with workers that share nothing but the S3 service, as in docker-compose.yml."""
    told = cluster.environment("commit-worker")
    cluster.stop(WORKERS)
    cluster.start_workers(WORKERS, Q2PT_GIT_REMOTE=told["Q2PT_GIT_REMOTE"])
    cluster.wait_for_workers()
    shop.settings = replace(
        shop.settings,
        dvc_cache=tmp_path_factory.mktemp("own") / "cache",
        dvc_remote=told["Q2PT_DVC_REMOTE"],
        dvc_remote_endpoint=told["Q2PT_DVC_REMOTE_ENDPOINT"],
    )
    with pytest.MonkeyPatch.context() as patch:
        for name, value in told.items():
            if name.startswith("AWS_"):
                patch.setenv(name, value)
        yield cluster


def _only_a_cache(shop: Shop) -> Mapping[str, str]:
    return {"Q2PT_DVC_CACHE": str(shop.settings.dvc_cache), "Q2PT_DVC_REMOTE": "", "Q2PT_STATE_DIR": ""}


def _render(cluster: Cluster, shop: Shop) -> None:
    """Brings the checkout that the DAG is rendered from to what is committed."""
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copyfile(shop.settings.work_dir.parent / "author" / name, cluster.image / name)


def _to_yaml(document: Mapping[str, Any]) -> str:
    # JSON is YAML.
    return json.dumps(document, indent=1)


def test_a_night_of_the_schedule_and_one_that_finds_nothing_new(cluster: Cluster, shop: Shop) -> None:
    (night,) = cluster.api.runs()
    assert (night.kind, night.state) == ("scheduled", "success")
    expected = {**dict.fromkeys([*TRAININGS, *STAGES, *AROUND], "success"), "approval": "skipped", "promote": "skipped"}
    assert cluster.api.states(night.id) == expected
    assert sorted(cluster.parts["gpu-worker"].tasks()) == sorted(TRAININGS)
    assert sorted(cluster.parts["worker"].tasks()) == sorted([*STAGES, *AROUND])
    for worker in WORKERS:
        assert {path.name for path in (cluster.home(worker) / "q2pt").iterdir()} <= {"clones", "graphs"}
    _check_reproducible(shop.settings, _joined(cluster, night.id))
    assert shop.tip("production") is None, "the gate said no"

    again = cluster.api.trigger({})
    assert cluster.api.wait_for_run(again, NIGHT_SECONDS) == "success"
    states = cluster.api.states(again)
    assert {states[task] for task in (*TRAININGS, *STAGES)} == {"skipped"}
    assert {states[task] for task in AROUND} == {"success"}
    assert sorted(cluster.parts["gpu-worker"].tasks()) == sorted(TRAININGS), "no worker hears of a skipped stage"
    assert sorted(cluster.parts["worker"].tasks()) == sorted([*STAGES, *AROUND, *AROUND])


@pytest.mark.chaos("worker-killed")
def test_a_worker_is_killed_while_it_trains(cluster: Cluster, shop: Shop, signals: Signals) -> None:
    signals.hold()
    shop.commit(name="second\n", verdict=verdict())
    night = cluster.api.trigger({"why": "a crash"})
    wait_until(lambda: len(signals.begun()) == 2, NIGHT_SECONDS, lambda: f"{cluster.api.states(night)}")
    killed = signals.begun()
    cluster.parts["gpu-worker"].kill()
    # What is new by now is no part of this run.
    shop.commit(name="third\n")
    signals.go_on()
    # As Compose restarts it, with the same volume.
    cluster.start_workers(["gpu-worker"], **_only_a_cache(shop))
    # With the production's own times: a minute without a heartbeat, another one until the next try.
    assert cluster.api.wait_for_run(night, 2 * NIGHT_SECONDS) == "success"

    states = cluster.api.states(night)
    assert states == dict.fromkeys(states, "success") | dict.fromkeys(["ingest", "encoder", "approval"], "skipped")
    trained = sorted(cluster.parts["gpu-worker"].tasks())
    assert trained == sorted(TRAININGS), "the new worker trained all, those that were begun once more"
    assert len(killed) == 2
    joined = _joined(cluster, night)
    models = _models(shop.settings, joined)
    window = shop.show(joined, "data/source.json")
    assert models == {folder: f"{Path(folder).name}\n{window}\nsecond\n" for folder in TRAININGS.values()}
    _check_reproducible(shop.settings, joined)
    assert _champion(shop)["commit"] == joined
    assert _left_in(cluster, "gpu-worker") == [], "also what the killed ones left is swept"


@pytest.mark.long
@pytest.mark.parametrize(
    "service",
    [
        pytest.param("scheduler", marks=pytest.mark.chaos("scheduler-killed")),
        pytest.param("redis", marks=pytest.mark.chaos("redis-restarted")),
        pytest.param("postgres", marks=pytest.mark.chaos("postgresql-restarted")),
    ],
)
def test_a_service_crashes_while_models_are_trained(
    cluster: Cluster, shop: Shop, signals: Signals, service: str
) -> None:
    signals.hold()
    shop.commit(name=f"without {service}\n", verdict=verdict())
    night = cluster.api.trigger({"why": f"{service} crashes"})
    wait_until(lambda: len(signals.begun()) == 2, NIGHT_SECONDS, lambda: f"{cluster.api.states(night)}")
    cluster.crash(service)
    signals.go_on()

    def has_ended() -> bool:
        cluster.start_what_has_ended()
        try:
            return cluster.api.run(night).state in ENDED
        except httpx.HTTPError:
            # The database is not there yet.
            return False

    wait_until(has_ended, 2 * NIGHT_SECONDS, lambda: f"{night} has not ended after the crash of {service}")
    states = cluster.api.states(night)
    assert states == dict.fromkeys(states, "success") | dict.fromkeys(["ingest", "encoder", "approval"], "skipped")
    assert signals.times_begun() == dict.fromkeys((*VARIANTS, *LOCALES), 1), "none was given up for a second try"
    joined = _joined(cluster, night)
    window = shop.show(joined, "data/source.json")
    assert _models(shop.settings, joined) == {
        folder: f"{Path(folder).name}\n{window}\nwithout {service}\n" for folder in TRAININGS.values()
    }
    _check_reproducible(shop.settings, joined)
    assert _champion(shop)["commit"] == joined


@pytest.mark.long
@pytest.mark.chaos("redis-restarted")
def test_a_task_that_waits_in_redis_survives_its_crash(cluster: Cluster, shop: Shop) -> None:
    # Nobody takes the first task.
    cluster.parts.pop("worker").kill()
    night = cluster.api.trigger({"why": "nobody is there"})
    wait_until(lambda: _waiting(cluster) == 1, NIGHT_SECONDS, lambda: f"{cluster.api.states(night)}")
    cluster.crash("redis")
    wait_until(lambda: _waiting(cluster) is not None, NIGHT_SECONDS, lambda: "Redis does not answer")
    assert _waiting(cluster) == 1
    pushing = cluster.environment("commit-worker")["Q2PT_GIT_REMOTE"]
    cluster.start_workers(["worker"], Q2PT_GIT_REMOTE=pushing, **_only_a_cache(shop))
    assert cluster.api.wait_for_run(night, NIGHT_SECONDS) == "success"
    # It is another process, which has taken no other night's tasks.
    begun = Counter(cluster.parts["worker"].tasks())
    assert begun == dict.fromkeys(begun, 1)
    assert begun.keys() >= set(AROUND)


def _waiting(cluster: Cluster) -> int | None:
    """How many tasks wait for the worker that pushes; None where Redis does not answer."""
    try:
        with Redis(port=cluster.ports["redis"], password=cluster.variables["REDIS_PASSWORD"]) as redis:
            return int(cast(int, redis.llen("commits")))
    except RedisError:
        return None


def test_workers_that_share_only_an_s3_service(on_s3: Cluster, shop: Shop) -> None:
    shop.commit(verdict=verdict())
    night = on_s3.api.trigger({"why": "another store"})
    assert on_s3.api.wait_for_run(night, NIGHT_SECONDS) == "success"
    states = on_s3.api.states(night)
    # In an empty store nothing is unchanged.
    assert states == dict.fromkeys(states, "success") | {"approval": "skipped"}
    caches = [SharedCache(on_s3.home(worker) / "q2pt/cache") for worker in WORKERS]
    joined = _joined(on_s3, night)
    lock = _lock(shop.settings, joined)
    assert [not cache.missing(lock["gate"]["outs"]) for cache in caches] == [True, False]
    assert [not cache.missing(lock["ingest"]["outs"]) for cache in caches] == [True, True], "the other one fetched it"
    _check_reproducible(shop.settings, joined)
    assert _champion(shop)["commit"] == joined


def test_a_night_of_twenty_stores_without_news(on_s3: Cluster, shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    locales = read_section(Layout(Path.cwd()).params, "locales", tuple[str, ...])
    pipeline = fast_pipeline(Path("dvc.yaml").read_text(encoding="utf-8"), locales)
    shop.commit(pipeline=pipeline, **{STAGE_FILE: fast_stage(checkpoints_of(shop))})
    # The gate says no.
    shop.commit_params({"locales": list(locales), "gate.floor": 0.9})
    author = shop.settings.work_dir.parent / "author"
    graph = read_graph(author, shop.settings.work_dir / "graphs")
    shop.night("before", rendered=graph.upstream)
    _render(on_s3, shop)
    night = _trigger_when_rendered(on_s3, locales)
    assert on_s3.api.wait_for_run(night.id, NIGHT_SECONDS) == "success"
    states = on_s3.api.states(night.id)
    assert len(states) == 31 + 5
    assert {states[task] for task in states if task not in AROUND} == {"skipped"}
    seconds = on_s3.api.run(night.id).seconds
    with capsys.disabled():
        sys.stdout.write(f"\nAll unchanged, {len(locales)} locales, {len(states)} tasks, Celery: {seconds:.1f} s\n")


@pytest.mark.parametrize("table", ["xcom", "task_instance", "dag_run", "log"])
def test_no_secret_is_in_what_airflow_keeps_of_these_nights(on_s3: Cluster, table: str) -> None:
    rows = dump_table(on_s3, table)
    assert "q2pt_retraining" in rows
    assert _secrets_in(on_s3, rows) == []


def test_no_secret_is_rendered_since_nothing_is(on_s3: Cluster) -> None:
    # The approval alone has fields to render, and in these nights nobody is asked.
    assert "q2pt_retraining" not in dump_table(on_s3, "rendered_task_instance_fields")


def test_no_secret_is_in_a_log_of_these_nights(on_s3: Cluster) -> None:
    of_tasks = [file for file in (on_s3.folder / "logs").rglob("*") if file.is_file()]
    of_services = list(on_s3.folder.glob("*.log"))
    assert any("configure" in str(file) for file in of_tasks)
    assert {"redis", "postgres", "scheduler", *WORKERS} <= {file.name.partition(".")[0] for file in of_services}
    found = {str(file): _secrets_in(on_s3, file.read_text(errors="replace")) for file in [*of_tasks, *of_services]}
    assert {file: names for file, names in found.items() if names} == {}


def _secrets_in(cluster: Cluster, text: str) -> list[str]:
    """The names of this cluster's secrets that a text has."""
    secrets = read_env(cluster.folder / "secrets")
    assert len(secrets) == 9
    return [name for name, value in secrets.items() if value in text]


def _trigger_when_rendered(cluster: Cluster, locales: tuple[str, ...]) -> Run:
    """Starts a run of all these stores as soon as the form has them."""
    started: list[str] = []

    def starts() -> bool:
        try:
            started.append(cluster.api.trigger({"locales": list(locales)}))
        except httpx.HTTPStatusError as error:
            if error.response.status_code != httpx.codes.BAD_REQUEST:
                raise
        return bool(started)

    wait_until(starts, NIGHT_SECONDS, lambda: "the form does not have the new stores")
    return cluster.api.run(started[0])


def _joined(cluster: Cluster, run_id: str) -> str:
    return str(cluster.api.result(run_id, "join")["commit"])


def _lock(settings: Settings, commit: str) -> dict[str, Any]:
    with private_clone(settings, commit) as clone:
        return read_lock(clone / LOCK)


def _champion(shop: Shop) -> dict[str, Any]:
    champion: dict[str, Any] = json.loads(shop.show("production", "release.json"))
    return champion


def _models(settings: Settings, commit: str) -> dict[str, str]:
    """What each training wrote, by its folder."""
    cache = SharedCache(settings.dvc_cache)
    outs = [out for entry in _lock(settings, commit).values() for out in entry["outs"] if "models/" in out["path"]]
    return {out["path"]: cache.path(_night_file(cache, out)).read_text(encoding="utf-8") for out in outs}


def _night_file(cache: SharedCache, out: Mapping[str, Any]) -> str:
    (md5,) = (md5 for name, md5 in cache.manifest(out["md5"]) if name == "night.txt")
    return md5


def _check_reproducible(settings: Settings, commit: str) -> None:
    """In a clean clone of a run's commit DVC has nothing to do."""
    with private_clone(settings, commit) as clone, chdir(clone), Repo() as repo:
        assert repo.reproduce(pull=True) == []
        assert repo.status() == {}


def _left_in(cluster: Cluster, worker: str) -> list[str]:
    """The clones that a worker has."""
    return [path.name for path in (cluster.home(worker) / "q2pt/clones").iterdir() if path.is_dir()]
