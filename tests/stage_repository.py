"""A git remote with a tiny pipeline of shell commands, for tests that run stages in private clones."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from q2pt_tasks.git import commit_all, push
from q2pt_tasks.orchestration.settings import Settings
from q2pt_tasks.orchestration.stage_run import StageRequest, StageResult, run_stage

# Of every kind that the real one has: a folder as output, a file inside of it and a folder inside of it as dependency,
# a matrix, and a dependency above the outputs of several stages.
PIPELINE = """\
stages:
  ingest:
    cmd: mkdir -p data/raw/days && cp source.txt data/raw/all.txt && echo monday > data/raw/days/1.txt && cat log
    deps: [source.txt]
    outs: [data/raw]
  label:
    cmd: mkdir -p data/labeled && cat data/raw/all.txt data/raw/days/1.txt > data/labeled/labels.txt
    deps: [data/raw/all.txt, data/raw/days, label.py]
    outs: [data/labeled]
  train:
    matrix:
      variant: ${variants}
    cmd: mkdir -p models/${item.variant} && cat data/labeled/labels.txt log > models/${item.variant}/w
    deps: [data/labeled]
    params: [rate]
    outs: ["models/${item.variant}"]
  judge:
    cmd: find models -type f | sort | xargs cat > verdict.txt
    deps: [models]
    outs: [verdict.txt]
  fail:
    cmd: for i in $(seq 30); do echo line $i; done; echo no luck >&2; exit 7
    deps: [source.txt]
    outs: [never.txt]
"""
FILES = {
    "dvc.yaml": PIPELINE,
    "params.yaml": "variants: [small, large]\nrate: 0.5\n",
    "source.txt": "a b c\n",
    "label.py": "# code\n",
    "log": "ingested\n",
    # Else DVC writes such files into the clone, one of them into `models`, which is a dependency.
    ".gitignore": "/data/\n/models/\n/verdict.txt\n/never.txt\n",
    ".dvc/.gitignore": "/config.local\n/tmp\n/cache\n",
    ".dvc/config": "",
}
TRAININGS = ("train@small", "train@large")
UPSTREAM = {
    "ingest": (),
    "label": ("ingest",),
    "train@small": ("label",),
    "train@large": ("label",),
    "judge": TRAININGS,
    "fail": (),
}
ORDER = ("ingest", "label", *TRAININGS, "judge")


@dataclass
class Worker:
    """One host's settings, and what the runs so far have handed on."""

    settings: Settings
    commit: str
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)

    def request(self, address: str, *, last: dict[str, Any] | None = None, force: bool = False) -> StageRequest:
        upstream = {above: self.entries[above] for above in UPSTREAM[address]}
        return StageRequest(self.commit, address, upstream, last, force)

    def run(self, address: str, *, last: dict[str, Any] | None = None, force: bool = False) -> StageResult:
        """Runs one stage as its task does, and keeps its entry for the stages after it."""
        result = run_stage(self.settings, self.request(address, last=last, force=force))
        self.entries[address] = result.entry
        return result

    def run_all(self) -> dict[str, str]:
        """Runs every stage that works, each with its last entry, and returns what became of them."""
        last = dict(self.entries)
        return {address: self.run(address, last=last.get(address)).state for address in ORDER}

    def change(self, **files: str) -> None:
        """Commits new contents and goes on at that commit; names without the ending, such as `source`."""
        endings = {"source": "source.txt", "label": "label.py", "params": "params.yaml", "pipeline": "dvc.yaml"}
        self.commit = commit_files(self.settings, {endings[name]: text for name, text in files.items()})


@dataclass(frozen=True)
class Child:
    """How a task's child process ended: its exit code, what it printed and its result, None where it wrote none."""

    exit_code: int
    output: str
    result: dict[str, Any] | None


def run_child(worker: Worker, request: StageRequest | str, **environment: str) -> Child:
    """Runs a stage as its task does, in a process that knows the settings from its environment alone."""
    folder = worker.settings.work_dir.parent
    folder.mkdir(exist_ok=True)
    asked, answered = folder / "request.json", folder / "result.json"
    asked.write_text(request if isinstance(request, str) else json.dumps(asdict(request)), encoding="utf-8")
    answered.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "q2pt_tasks.orchestration", "stage", "--request", str(asked), "--result", str(answered)],
        cwd=folder,
        env={**os.environ, **variables(worker.settings), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    result = json.loads(answered.read_text(encoding="utf-8")) if answered.exists() else None
    return Child(done.returncode, done.stdout, result)


def variables(settings: Settings) -> Mapping[str, str]:
    """The environment of a process with these settings."""
    names = {
        "Q2PT_GIT_REMOTE": settings.git_remote,
        "Q2PT_DVC_CACHE": str(settings.dvc_cache),
        "Q2PT_DVC_REMOTE": settings.dvc_remote,
        "Q2PT_DVC_REMOTE_ENDPOINT": settings.dvc_remote_endpoint,
        "Q2PT_WORK_DIR": str(settings.work_dir),
    }
    return {name: value for name, value in names.items() if value}


def make_worker(folder: Path) -> Worker:
    """A new git remote below `folder`, and a worker with an empty cache."""
    remote = folder / "remote.git"
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(remote)], check=True)
    settings = make_settings(folder, str(remote))
    return Worker(settings, commit_files(settings, FILES))


def copy_worker(worker: Worker, folder: Path) -> Worker:
    """The same worker with copies of its git remote, its cache and its DVC remote below `folder`."""
    settings = make_settings(folder, str(folder / "remote.git"))
    shutil.copytree(worker.settings.git_remote, settings.git_remote)
    shutil.copytree(worker.settings.dvc_cache, settings.dvc_cache)
    (settings.work_dir / "clones").mkdir(parents=True)
    if worker.settings.dvc_remote:
        settings = replace(settings, dvc_remote=str(folder / "remote"))
        shutil.copytree(worker.settings.dvc_remote, folder / "remote")
    return Worker(settings, worker.commit, dict(worker.entries))


def make_settings(folder: Path, git_remote: str) -> Settings:
    return Settings(
        git_remote=git_remote,
        git_branch="main",
        dvc_cache=folder / "cache",
        dvc_remote=None,
        dvc_remote_endpoint=None,
        work_dir=folder / "work",
        state_dir=None,
        keep_failed_hours=24,
        cache_type="reflink,copy",
        approval_required=False,
    )


def another_worker(worker: Worker, folder: Path, **changes: Any) -> Worker:  # noqa: ANN401 - fields of Settings
    """A worker on another host: it shares the git remote and what the stages handed on, and no folder."""
    settings = replace(make_settings(folder, worker.settings.git_remote), **changes)
    return Worker(settings, worker.commit, dict(worker.entries))


def commit_files(settings: Settings, files: dict[str, str]) -> str:
    """Commits `files` on the branch that runs start from."""
    clone = settings.work_dir.parent / "author"
    if not clone.exists():
        subprocess.run(["git", "clone", "--quiet", settings.git_remote, str(clone)], check=True)
    for name, text in files.items():
        path = clone / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    commit = commit_all(clone, list(files), "Files")
    push(clone, settings.git_remote, f"+{commit}:refs/heads/main")
    return commit
