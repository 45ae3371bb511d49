"""Airflow with Celery on this machine, as docker-compose.yml has it: the same settings, commands and scripts.

Other than there are addresses, ports, folders and secrets; moto serves S3, and new DAGs are not paused.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from airflow_api import Airflow
from airflow_local import RARELY
from compose_file import filled_in, read_env, read_services
from postgresql import as_postgres, program_folders
from process_family import Process, family, kill, stopped_family

from q2pt_tasks.orchestration import guard

PROJECT = Path.cwd()
BIN = Path(sys.executable).parent
HOST = "127.0.0.1"
# Other tests run beside this one, and Airflow's import alone may take half a minute then.
START_SECONDS = 240.0
_STOP_SECONDS = 40.0
_POLL_SECONDS = 0.2
_LAST_LINES = 30
_PORTS = ("postgres", "redis", "store", "git", "git-write", "api-server", "health")


class ClusterError(RuntimeError):
    """A part did not start, or ended by itself; the message has its last lines."""


def missing_servers() -> str:
    """Why no cluster can be started here; empty where one can."""
    missing = [] if program_folders() else ["postgresql"]
    if shutil.which("redis-server") is None:
        missing.append("redis-server")
    return f"not installed: apt-get install {' '.join(missing)}" if missing else ""


@dataclass(frozen=True)
class Part:
    """A process with all that it starts; what it prints is in a file."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def last_lines(self) -> str:
        return "\n".join([f"{self.name}'s last lines:", *self.text().splitlines()[-_LAST_LINES:]])

    def tasks(self) -> list[str]:
        """The tasks that a worker has begun."""
        return re.findall(r"Executing workload in Celery: .*?\btask_id='([^']+)'", self.text())

    def kill(self) -> None:
        """Ends it and all that it has started at once, as a crash of its host would."""
        kill(stopped_family(self.process.pid))
        self.process.wait()


@dataclass
class Cluster:
    """All parts that run.

    Attributes:
        folder: whatever they write is below it.
        variables: what docker-compose.yml is told: its secrets, the number of GPUs and such.
        ports: by service.
        parts: by service.
    """

    folder: Path
    variables: Mapping[str, str]
    ports: Mapping[str, int]
    parts: dict[str, Part] = field(default_factory=dict)

    @property
    def image(self) -> Path:
        """In place of the image's folder /opt/q2pt."""
        return self.folder / "image"

    @property
    def repositories(self) -> Path:
        """In place of the volume of the git services."""
        return self.folder / "git"

    @property
    def api(self) -> Airflow:
        return Airflow(f"http://{HOST}:{self.ports['api-server']}", "admin", self.variables["ADMIN_PASSWORD"])

    def home(self, service: str) -> Path:
        return self.folder / "homes" / service

    def environment(self, service: str) -> dict[str, str]:
        """What docker-compose.yml tells a service, with this machine's addresses and folders."""
        raw = read_services()[service].raw
        told = read_env(Path(raw["env_file"])) if "env_file" in raw else {}
        told |= {name: str(filled_in(value, self.variables)) for name, value in raw.get("environment", {}).items()}
        return {name: self.here(value) for name, value in told.items()} | self._places(service)

    def start(self, service: str, *options: str, **changes: str) -> Part:
        """Starts a service with its own command and environment, and with what is added to both."""
        command = [self.here(word) for word in filled_in(read_services()[service].raw["command"], self.variables)]
        return self.launch(service, [*command, *options], self.environment(service) | changes)

    def start_workers(self, services: Iterable[str], **changes: str) -> None:
        """Starts workers with what is added to their environment; they take tasks a little later."""
        for service in services:
            # In Celery a worker is known by its host, and here all have the same.
            self.start(service, "--celery-hostname", f"{service}@%h", **changes)

    def crash(self, service: str) -> None:
        """Ends a service at once, and starts it again with the same volume, as Compose does."""
        self.parts.pop(service).kill()
        self._start_again(service)

    def start_what_has_ended(self) -> None:
        """As Compose does with services that give up while another one is down."""
        for service, part in list(self.parts.items()):
            if part.process.poll() is not None:
                del self.parts[service]
                self._start_again(service)

    def _start_again(self, service: str) -> None:
        {"postgres": _launch_postgres, "redis": _launch_redis}.get(service, lambda cluster: cluster.start(service))(
            self
        )

    def wait_for_workers(self) -> None:
        workers = {name: part for name, part in self.parts.items() if "worker" in name}
        self.wait(
            "all workers take tasks",
            lambda: all(re.search(rf"{name}@\S+ ready", part.text()) for name, part in workers.items()),
        )

    def stop(self, services: Collection[str]) -> None:
        """Asks services to end; what is left of them after a while is killed."""
        ending = [self.parts.pop(service) for service in services]
        families = set[Process]().union(*(family(part.process.pid) for part in ending))
        for part in ending:
            part.process.terminate()
        deadline = time.monotonic() + _STOP_SECONDS
        for part in ending:
            with suppress(subprocess.TimeoutExpired):
                part.process.wait(max(deadline - time.monotonic(), 0))
        kill(families)
        for part in ending:
            part.process.wait()

    def launch(self, service: str, command: Sequence[str], environment: Mapping[str, str]) -> Part:
        """Starts a command in a session of its own; it dies with this process."""
        (self.home(service) / "tmp").mkdir(parents=True, exist_ok=True)
        launcher = [sys.executable, "-I", "-S", guard.__file__, str(os.getpid())]
        # Of a service that is started again the first log is kept.
        log = self.folder / f"{service}.{len(list(self.folder.glob(f'{service}.*.log')))}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*launcher, *command],
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.parts[service] = Part(service, process, log)
        return self.parts[service]

    def wait(self, what: str, condition: Callable[[], bool]) -> None:
        """Waits for a condition.

        Raises:
            ClusterError: it does not hold in time, or a part ends meanwhile.
        """
        deadline = time.monotonic() + START_SECONDS
        while not condition():
            for part in self.parts.values():
                if part.process.poll() is not None:
                    raise ClusterError(f"{part.name} has ended by itself; {part.last_lines()}")
            if time.monotonic() > deadline:
                stories = [part.last_lines() for part in self.parts.values()]
                raise ClusterError("\n".join([f"after {START_SECONDS:.0f} s still not: {what}", *stories]))
            time.sleep(_POLL_SECONDS)

    def here(self, text: str) -> str:
        """A text of docker-compose.yml with the addresses and the folders that are here."""
        here = {
            "@redis:6379": f"@{HOST}:{self.ports['redis']}",
            "@postgres/": f"@{HOST}:{self.ports['postgres']}/",
            "http://api-server:8080": f"http://{HOST}:{self.ports['api-server']}",
            "http://store:7070": f"http://{HOST}:{self.ports['store']}",
            "git://git-write/": f"git://{HOST}:{self.ports['git-write']}/",
            "git://git/": f"git://{HOST}:{self.ports['git']}/",
            "/srv/git": str(self.repositories),
            "/opt/q2pt/": f"{PROJECT}/",
        }
        for there, address in here.items():
            text = text.replace(there, address)
        return text

    def _places(self, service: str) -> dict[str, str]:
        """What the Dockerfile says, and what a container has for itself; nothing of this process's environment."""
        home = self.home(service)
        return {
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(home),
            "TMPDIR": str(home / "tmp"),
            "LANG": "C.UTF-8",
            "OMP_NUM_THREADS": "1",
            "AIRFLOW_HOME": str(home / "airflow"),
            "AIRFLOW__API__BASE_URL": f"http://{HOST}:{self.ports['api-server']}",
            "AIRFLOW__API__HOST": HOST,
            "AIRFLOW__API__PORT": str(self.ports["api-server"]),
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.image / "dags"),
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(self.folder / "logs"),
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(self.ports["health"]),
            "HF_HOME": str(home / "huggingface"),
            # The programs of PATH would load what is installed, which may be another checkout.
            "PYTHONPATH": str(PROJECT),
            "Q2PT_SCHEDULE": RARELY,
            "Q2PT_WORK_DIR": str(home / "q2pt"),
        }


@contextmanager
def running_cluster(
    prepare: Callable[[Cluster], Mapping[str, str]], workers: Collection[str], **variables: str
) -> Iterator[Cluster]:
    """All services with these workers, ready for runs; at the end no process of them is left.

    Args:
        prepare: fills the folder `repositories`, and `image` with `dvc.yaml` and `params.yaml`, before anything starts;
            returns what is added to the workers' environment.
        workers: the services that take tasks.
        variables: what docker-compose.yml is told beside its secrets.
    """
    # Not below pytest's own folder: PostgreSQL's user cannot go there.
    folder = Path(tempfile.mkdtemp(prefix="q2pt-cluster-"))
    folder.chmod(0o755)
    try:
        secrets = folder / "secrets"
        subprocess.run([sys.executable, "deploy/make_secrets.py", str(secrets)], check=True)
        cluster = Cluster(folder, read_env(secrets) | variables, dict(zip(_PORTS, _free_ports(), strict=True)))
        shutil.copytree(PROJECT / "dags", cluster.image / "dags", ignore=shutil.ignore_patterns("__pycache__"))
        cluster.repositories.mkdir()
        changes = prepare(cluster)
        try:
            _start_services(cluster)
            cluster.start_workers(workers, **changes)
            _start_airflow(cluster)
            yield cluster
        finally:
            cluster.stop(list(cluster.parts))
    finally:
        shutil.rmtree(folder)


def _start_services(cluster: Cluster) -> None:
    _start_postgres(cluster)
    _launch_redis(cluster)
    store = [str(BIN / "moto_server"), "--host", HOST, "--port", str(cluster.ports["store"])]
    cluster.launch("store", store, cluster.environment("store"))
    _start_git_services(cluster)
    ports = [cluster.ports[service] for service in ("redis", "store", "git-write", "git")]
    cluster.wait("Redis, the store and the git services answer", lambda: all(map(_is_served, ports)))
    cluster.start("init")
    _finish(cluster, "init")


def _start_airflow(cluster: Cluster) -> None:
    for service in ("api-server", "dag-processor", "triggerer"):
        cluster.start(service)
    cluster.wait("the API is served", lambda: _is_served(cluster.ports["api-server"]))
    cluster.wait_for_workers()
    # Last: it starts tasks, which call the server.
    cluster.start("scheduler")


def _launch_redis(cluster: Cluster) -> None:
    cluster.start("redis", "--bind", HOST, "--port", str(cluster.ports["redis"]), "--dir", str(cluster.folder))


def _start_git_services(cluster: Cluster) -> None:
    for service in ("git-write", "git"):
        command = [cluster.here(word) for word in read_services()[service]["command"]]
        listen = [f"--listen={HOST}", f"--port={cluster.ports[service]}"]
        # The script takes the options of git daemon last, git daemon itself takes them before the folder.
        command = [*command, *listen] if service == "git-write" else [*command[:-1], *listen, command[-1]]
        cluster.launch(service, command, cluster.environment(service))


def _start_postgres(cluster: Cluster) -> None:
    """A database with the roles that docker-compose.yml has, made as PostgreSQL's image makes it."""
    folder, programs = cluster.folder / "postgres", program_folders()[-1]
    environment = cluster.environment("postgres")
    environment |= {"PGHOST": str(folder), "PGPORT": str(cluster.ports["postgres"])}
    folder.mkdir()
    password = folder / "password"
    password.write_text(environment["POSTGRES_PASSWORD"], encoding="utf-8")
    if os.geteuid() == 0:
        for path in (folder, password):
            shutil.chown(path, "postgres", "postgres")
    user = environment["POSTGRES_USER"]
    access = ["--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={password}"]
    _call(
        as_postgres([str(programs / "initdb"), f"--username={user}", *access, "--no-sync", str(folder / "data")]),
        environment,
    )
    _launch_postgres(cluster)
    ready = [str(programs / "pg_isready"), "--quiet"]
    cluster.wait("PostgreSQL is ready", lambda: subprocess.run(ready, env=environment, check=False).returncode == 0)
    _call(["createdb", f"--username={user}", environment["POSTGRES_DB"]], environment)
    for script in sorted(Path("deploy/postgres").iterdir()):
        _call([str(script)], environment)


def _launch_postgres(cluster: Cluster) -> None:
    folder, programs = cluster.folder / "postgres", program_folders()[-1]
    environment = cluster.environment("postgres") | {"PGHOST": str(folder), "PGPORT": str(cluster.ports["postgres"])}
    options = {
        "listen_addresses": HOST,
        "port": environment["PGPORT"],
        "unix_socket_directories": str(folder),
        # A crash of this machine is no concern of a test.
        "fsync": "off",
    }
    settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    server = [str(programs / "postgres"), "-D", str(folder / "data"), *settings]
    cluster.launch("postgres", as_postgres(server), environment)


def dump_table(cluster: Cluster, table: str) -> str:
    """All rows of a table of Airflow's own, as text."""
    environment = cluster.environment("postgres")
    place = [f"--host={cluster.folder / 'postgres'}", f"--port={cluster.ports['postgres']}"]
    user = [f"--username={environment['POSTGRES_USER']}", environment["POSTGRES_DB"]]
    command = [str(program_folders()[-1] / "pg_dump"), "--data-only", f"--table=public.{table}", *place, *user]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def _finish(cluster: Cluster, service: str) -> None:
    """Waits for a service that runs once."""
    part = cluster.parts.pop(service)
    if part.process.wait(START_SECONDS):
        raise ClusterError(f"{service} failed; {part.last_lines()}")


def _call(command: Sequence[str], environment: Mapping[str, str]) -> None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"{command[0]} failed: {done.stdout}{done.stderr}")


def _free_ports() -> list[int]:
    # All open at once, so that each is another one.
    probes = [socket.create_server((HOST, 0)) for _ in _PORTS]
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def _is_served(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
