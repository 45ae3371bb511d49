"""docker-compose.yml and its files against the Compose Specification, against Airflow and against the code."""

import json
import os
import re
import shlex
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
from compose_file import COMPOSE_FILE, Service, read_compose, read_env, read_services, required_variables

from q2pt_tasks.cli import _parser
from q2pt_tasks.layout import Layout
from q2pt_tasks.orchestration.settings import read_settings

SERVICES = read_services()
DOCKERFILE = Path("Dockerfile").read_text(encoding="utf-8")
WORKERS = ("worker", "gpu-worker", "commit-worker")
# Its network has the git service that takes pushes.
WRITERS = ("git-write", "commit-worker")
OWN_IMAGE = "q2pt:"
EXACT_TAG = r"[\w./-]+:v?\d+\.\d+(\.\d+)?(-[\w.-]+)?"
SECRET_NAME = re.compile(r"PASSWORD|SECRET|FERNET|(^|_)KEY(_|$)|ACCESS_KEY")

# With the settings that all services share, which Airflow reads when it is imported: so in a process of its own.
ASK_AIRFLOW = """
import json, sys
from pathlib import Path
from airflow.cli.cli_parser import get_parser
from airflow.configuration import retrieve_configuration_description
from airflow.dag_processing.dagbag import DagBag

def refuses(command):
    try:
        get_parser().parse_args(command)
    except SystemExit:
        return True
    return False

sections = retrieve_configuration_description(include_providers=True)
bag = DagBag(Path("dags").resolve(), bundle_name="dags")
assert not bag.import_errors, bag.import_errors
answer = {
    "refused": [command for command in json.loads(sys.argv[1]) if refuses(command)],
    "options": [[name, option] for name, section in sections.items() for option in section["options"]],
    "tasks": [[task.task_type, task.queue, task.pool] for dag in bag.dags.values() for task in dag.tasks],
}
print(json.dumps(answer))
"""

every_service = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[list[str]]]:
    """What Airflow itself says: the commands that it refuses, its options, the tasks of the DAGs."""
    folder = tmp_path_factory.mktemp("airflow")
    places = {"AIRFLOW_HOME": str(folder), "Q2PT_WORK_DIR": str(folder), "PATH": os.environ["PATH"]}
    commands = [*_airflow_commands().values(), ["no", "such", "command"]]
    done = subprocess.run(
        [sys.executable, "-c", ASK_AIRFLOW, json.dumps(commands)],
        env=read_env(Path("deploy/airflow.env")) | places,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, list[list[str]]] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _check_schema(path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_it_is_a_compose_file() -> None:
    done = _check_schema(COMPOSE_FILE)
    assert done.returncode == 0, done.stdout


def test_a_misspelt_key_is_found(tmp_path: Path) -> None:
    changed = tmp_path / "docker-compose.yml"
    changed.write_text(COMPOSE_FILE.read_text(encoding="utf-8").replace("healthcheck:", "healthchek:"))
    assert "healthchek" in _check_schema(changed).stdout


def test_all_parts_are_there() -> None:
    airflow = {"api-server", "scheduler", "dag-processor", "triggerer", "init", *WORKERS}
    assert set(SERVICES) == airflow | {"postgres", "redis", "store", "git", "git-write", "serve"}


@every_service
def test_a_service_is_checked_and_restarted_or_runs_once(service: Service) -> None:
    if service.long_running:
        assert service["restart"] == "unless-stopped"
        assert {"test", "interval", "timeout", "retries", "start_period"} <= set(service["healthcheck"])
    else:
        assert service.name == "init"


@every_service
def test_a_service_waits_until_what_it_needs_is_healthy(service: Service) -> None:
    for name, condition in service.needs.items():
        assert condition == ("service_healthy" if SERVICES[name].long_running else "service_completed_successfully")


@pytest.mark.parametrize(
    ("word", "needed"), [("postgres/airflow", "postgres"), ("@redis:", "redis"), ("http://store", "store")]
)
def test_who_calls_a_service_at_its_start_waits_for_it(word: str, needed: str) -> None:
    callers = [s for s in SERVICES.values() if any(word in text for text in s.environment.values())]
    # The database's own migration needs no queue.
    callers = [service for service in callers if (service.name, needed) != ("init", "redis")]
    assert callers
    for service in callers:
        assert needed in service.needs, f"{service.name} calls {needed}"


@every_service
def test_no_service_is_root_or_may_become_it(service: Service) -> None:
    assert service["user"] in {"10001:10001", "postgres", "redis"}
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@every_service
def test_a_service_writes_to_volumes_and_to_its_memory_alone(service: Service) -> None:
    assert service["read_only"] is True
    in_memory = dict(place.partition(":")[::2] for place in service["tmpfs"])
    assert in_memory.pop("/tmp") == ""  # noqa: S108 - a container's own
    # A folder is of one kind.
    assert not in_memory.keys() & {target for _, target, _ in service.mounts}
    owned = {place: options for place, options in in_memory.items() if service["image"].startswith(OWN_IMAGE)}
    assert set(owned.values()) <= {"uid=10001,gid=10001,mode=0700"}
    airflow = any("airflow" in word for word in service.get("command", [])) or service.name == "init"
    assert set(owned) >= ({"/opt/airflow", "/home/q2pt"} if airflow else set())


def test_who_renders_the_dag_can_keep_the_graph() -> None:
    for name, service in SERVICES.items():
        if "env_file" in service.raw and name != "init":
            places = {place.partition(":")[0] for place in service["tmpfs"]}
            written = places | {target for _, target, mode in service.mounts if mode == "rw"}
            assert "/var/lib/q2pt" in written, name


@pytest.mark.parametrize("name", WORKERS)
def test_what_does_not_fit_into_a_workers_memory_goes_to_its_disk(name: str) -> None:
    written = {target for _, target, mode in SERVICES[name].mounts if mode == "rw"}
    assert any(Path(SERVICES[name].environment["TMPDIR"]).is_relative_to(target) for target in written)


def test_no_image_runs_as_root() -> None:
    stages = re.split(r"(?m)^FROM ", DOCKERFILE)[1:]
    users = {re.findall(r"AS (\w+)", stage)[0]: re.findall(r"(?m)^USER (.+)$", stage)[-1:] for stage in stages}
    # What is built in `build` is copied, and the stage is no image.
    assert users == {"store": ["10001:10001"], "build": [], "airflow": ["10001:10001"]}


@every_service
def test_an_image_is_built_here_or_has_an_exact_tag(service: Service) -> None:
    if service["image"].startswith(OWN_IMAGE):
        assert f"AS {service['build']['target']}\n" in DOCKERFILE
    else:
        assert "build" not in service.raw
        assert re.fullmatch(EXACT_TAG, service["image"])


def test_an_image_has_one_way_to_be_built() -> None:
    builds: dict[str, list[object]] = {}
    for service in SERVICES.values():
        builds.setdefault(service["image"], []).append(service.get("build", None))
    assert all(build == found[0] for found in builds.values() for build in found)
    assert {image for image in builds if image.startswith(OWN_IMAGE)} == {"q2pt:cpu", "q2pt:cuda", "q2pt:store"}


def test_images_start_from_exact_tags() -> None:
    bases = re.findall(r"(?m)^FROM (\S+)", DOCKERFILE)
    assert len(bases) == 3
    assert all(re.fullmatch(EXACT_TAG, base) for base in bases)


def test_packages_are_pinned_and_torch_is_the_cpu_build_by_default() -> None:
    assert "ARG TORCH_BACKEND=cpu\n" in DOCKERFILE
    assert DOCKERFILE.count("--constraint constraints.txt") == 2
    assert '--torch-backend "${TORCH_BACKEND}"' in DOCKERFILE
    assert SERVICES["gpu-worker"]["build"]["args"]["TORCH_BACKEND"].startswith("cu")


def test_the_readers_of_a_log_elsewhere_can_be_added_and_its_days_reach_the_stage() -> None:
    assert "--requirements pyproject.toml ${EXTRAS}\n" in DOCKERFILE
    for name in ("worker", "gpu-worker"):
        assert read_compose()["services"][name]["build"]["args"]["EXTRAS"] == "${EXTRAS:-}"
    landing = {name: mode for name, s in SERVICES.items() for source, _, mode in s.mounts if source == "landing"}
    assert landing == {"commit-worker": "rw", "worker": "ro"}


def test_what_an_image_takes_is_there_and_nothing_else_is_sent() -> None:
    copied = re.findall(r"(?m)^COPY (?!--from)(.+) \S+$", DOCKERFILE)
    sources = {source for line in copied for source in line.split()}
    sent = {line[1:] for line in Path(".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert sent == sources
    assert all(Path(source).exists() for source in sources)
    assert "*" in Path(".dockerignore").read_text().splitlines()
    assert not any(fnmatch(".env.secrets", source) for source in sources)


@every_service
def test_what_is_mounted_is_there(service: Service) -> None:
    for source, target, _ in service.mounts:
        assert target.startswith("/")
        if source.startswith("."):
            # The models are made by a run.
            assert Path(source).is_dir() or source == f"./{Layout().models}"
        else:
            assert source in read_compose()["volumes"]


def test_every_volume_and_network_is_used() -> None:
    mounted = {source for service in SERVICES.values() for source, _, _ in service.mounts}
    assert set(read_compose()["volumes"]) == {source for source in mounted if not source.startswith(".")}
    assert set(read_compose()["networks"]) == set.union(*(service.networks for service in SERVICES.values()))


@every_service
def test_a_volume_belongs_to_the_user_who_writes_there(service: Service) -> None:
    owned = re.findall(r"(?:mkdir|install) (?:-\S+ (?:q2pt )?)*((?:/\S+ ?)+)", DOCKERFILE)
    folders = {folder for found in owned for folder in found.split()}
    if service["image"].startswith(OWN_IMAGE):
        writable = {target for _, target, mode in service.mounts if mode == "rw"}
        assert writable <= folders


@every_service
def test_ports_are_open_to_this_host_alone(service: Service) -> None:
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert bool(service.get("ports", [])) == (service.name in {"api-server", "serve"})


def test_the_service_of_the_model_writes_nothing_and_is_asked_for() -> None:
    serve = SERVICES["serve"]
    assert [mode for _, _, mode in serve.mounts] == ["ro"]
    assert serve["profiles"] == ["serve"]
    assert not any(SECRET_NAME.search(name) for name in serve.environment)


def test_the_service_of_the_model_reaches_no_other_service() -> None:
    assert [name for name, service in SERVICES.items() if service.networks & SERVICES["serve"].networks] == ["serve"]


def test_redis_is_told_its_password_and_no_argument_has_it() -> None:
    redis = SERVICES["redis"]
    assert redis.environment == {"REDIS_PASSWORD": "REDIS_PASSWORD", "REDISCLI_AUTH": "REDIS_PASSWORD"}
    assert not any("REDIS_PASSWORD" in word for word in redis["command"])


def test_the_service_of_the_model_is_called_as_the_command_takes_it() -> None:
    program, *words = SERVICES["serve"]["command"]
    options = _parser().parse_args(words)
    assert program == "q2pt"
    assert str(options.model) in {target for _, target, _ in SERVICES["serve"].mounts}
    assert SERVICES["serve"]["ports"][0].endswith(f":{options.port}")
    assert f":{options.port}/readyz" in SERVICES["serve"]["healthcheck"]["test"][-1]


def test_scripts_are_there_and_can_be_run() -> None:
    commands = [word for service in SERVICES.values() for word in service.get("command", [])]
    called = {word.removeprefix("/opt/q2pt/") for word in commands if word.startswith("/opt/q2pt/")}
    assert called == {"deploy/init.sh", "deploy/git-write.sh", "deploy/redis/start.sh"}
    for script in [*called, "deploy/git-hooks/update", "deploy/postgres/results.sh"]:
        assert Path(script).stat().st_mode & 0o111 == 0o111
        subprocess.run(["sh", "-n", script], check=True)


def _airflow_commands() -> dict[str, list[str]]:
    """Every `airflow ...` that a service, its health check or the first script calls."""
    commands: dict[str, list[str]] = {}
    for service in SERVICES.values():
        check = service.get("healthcheck", {"test": ["CMD"]})["test"]
        for words in (service.get("command", []), check[1:]):
            if words[:1] == ["airflow"]:
                commands[shlex.join(words)] = words[1:]
    script = Path("deploy/init.sh").read_text(encoding="utf-8").replace("\\\n", "").replace('"$GPU_SLOTS"', "1")
    for line in re.findall(r"(?m)(?:^|\| )airflow (.+)$", script):
        commands[line] = shlex.split(line)
    return commands


def test_airflow_has_every_command_and_every_option(airflow: dict[str, list[list[str]]]) -> None:
    assert len(_airflow_commands()) >= 10
    assert airflow["refused"] == [["no", "such", "command"]]


def test_airflow_knows_every_setting(airflow: dict[str, list[list[str]]]) -> None:
    names = set(re.findall(r"AIRFLOW__\w+", DOCKERFILE))
    for service in SERVICES.values():
        names |= {name for name in service.environment if name.startswith("AIRFLOW__")}
    known = {f"AIRFLOW__{section}__{option}".upper() for section, option in airflow["options"]}
    assert len(names) > 15
    assert names <= known, names - known


def test_the_code_reads_every_variable_of_its_own() -> None:
    code = Path("q2pt_tasks/orchestration/settings.py").read_text(encoding="utf-8")
    read = set(re.findall(r'"(Q2PT_\w+)"', code))
    told = set(re.findall(r"Q2PT_\w+", DOCKERFILE + COMPOSE_FILE.read_text() + Path("deploy/airflow.env").read_text()))
    assert told <= read, told - read
    assert "Q2PT_GIT_REMOTE" in told


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_gets_settings_that_the_code_takes(name: str) -> None:
    image = dict(re.findall(r"(Q2PT_\w+)=(\S+)", DOCKERFILE))
    settings = read_settings(image | SERVICES[name].environment)
    assert str(settings.work_dir) in {target for _, target, _ in SERVICES[name].mounts}
    # On the same volume, so that a link instead of a copy is possible.
    assert settings.dvc_cache.is_relative_to(settings.work_dir)
    assert settings.dvc_remote_endpoint == SERVICES[name].environment["AWS_ENDPOINT_URL_S3"]
    assert settings.git_remote == f"git://{'git-write' if name in WRITERS else 'git'}/q2pt.git"


def test_the_api_server_finds_the_pages_of_runs_in_the_store_of_the_workers() -> None:
    image = dict(re.findall(r"(Q2PT_\w+)=(\S+)", DOCKERFILE))
    server, worker = (read_settings(image | SERVICES[name].environment) for name in ("api-server", WORKERS[0]))
    assert (server.dvc_remote, server.dvc_remote_endpoint) == (worker.dvc_remote, worker.dvc_remote_endpoint)
    keys = {name: value for name, value in SERVICES[WORKERS[0]].environment.items() if name.startswith("AWS_")}
    assert keys.items() <= SERVICES["api-server"].environment.items()


def test_every_address_is_a_service() -> None:
    for service in SERVICES.values():
        for text in service.environment.values():
            for host in re.findall(r"://(?:[^@/]*@)?([a-z][a-z-]*)[:/]", text):
                assert host in SERVICES or host == "q2pt", f"{service.name}: {text}"
                # The bucket of the DVC remote stands where others have a host.
                assert host == "q2pt" or SERVICES[host].networks & service.networks


def test_every_queue_has_one_worker_and_every_pool_is_made(airflow: dict[str, list[list[str]]]) -> None:
    served = [queue for name in WORKERS for queue in SERVICES[name].option["--queues"].split(",")]
    assert sorted(served) == sorted({queue for _, queue, _ in airflow["tasks"]})
    pools = set(re.findall(r"airflow pools set (\w+)", Path("deploy/init.sh").read_text())) | {"default_pool"}
    assert {pool for _, _, pool in airflow["tasks"]} == pools


def test_only_trainings_run_where_the_gpu_is(airflow: dict[str, list[list[str]]]) -> None:
    (device,) = SERVICES["gpu-worker"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["driver"] == "nvidia"
    assert "gpu" in device["capabilities"]
    assert SERVICES["gpu-worker"].option["--queues"] == "gpu"
    assert {kind for kind, queue, _ in airflow["tasks"] if queue == "gpu"} == {"StageOperator"}
    assert [service.name for service in SERVICES.values() if "deploy" in service.raw] == ["gpu-worker"]


def test_who_can_push_runs_no_stage(airflow: dict[str, list[list[str]]]) -> None:
    kinds = {kind for kind, queue, _ in airflow["tasks"] if queue == SERVICES["commit-worker"].option["--queues"]}
    assert {"ConfigureOperator", "JoinOperator", "PromoteOperator"} <= kinds
    assert "StageOperator" not in kinds


def test_only_one_worker_reaches_the_git_service_that_takes_pushes() -> None:
    assert {name for name, service in SERVICES.items() if "commits" in service.networks} == set(WRITERS)
    assert SERVICES["git-write"].networks == {"commits"}
    assert read_compose()["networks"]["commits"] == {"internal": True}
    mounts = {name: mode for name, s in SERVICES.items() for source, _, mode in s.mounts if source == "git"}
    assert mounts == {"git-write": "rw", "git": "ro"}
    assert not any(word.startswith("--enable") for word in SERVICES["git"]["command"])


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_knows_no_secret_of_airflow(name: str) -> None:
    known = " ".join(SERVICES[name].environment.values())
    needed = {"RESULTS_PASSWORD", "REDIS_PASSWORD", "S3_ACCESS_KEY", "S3_SECRET_KEY"}
    assert {secret for secret in required_variables(COMPOSE_FILE.read_text()) if secret in known} == needed


def test_no_secret_stands_in_a_file() -> None:
    for service in SERVICES.values():
        for name, value in service.raw.get("environment", {}).items():
            if SECRET_NAME.search(name):
                assert re.fullmatch(r"\$\{\w+:\?run make secrets\}", value), f"{service.name}: {name}"
            for password in re.findall(r"://\w*:([^@/]+)@", str(value)):
                assert password.startswith("${"), f"{service.name}: {name}"
    assert not [name for name in read_env(Path("deploy/airflow.env")) if SECRET_NAME.search(name)]
