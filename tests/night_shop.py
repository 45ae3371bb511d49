"""A git remote, a DVC cache and a DVC remote with nights of several days, for tests of retention."""

import json
import os
import shutil
from contextlib import chdir
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from dvc.repo import Repo

from q2pt_tasks.git import commit_all, fetch_commit, push, run_git
from q2pt_tasks.registry.history import Move
from q2pt_tasks.registry.named import outputs_of
from q2pt_tasks.registry.prune import Place
from q2pt_tasks.registry.release import Release, ReleasedCheckpoint, Store
from q2pt_tasks.registry.repository import Registry
from q2pt_tasks.registry.stored import PrunedStore

START = datetime(2026, 1, 1, 2, 0, tzinfo=UTC)
PIPELINE = """\
stages:
  ingest:
    cmd: mkdir -p data/raw && cp source.txt data/raw/today.txt && cp catalog.txt data/raw/catalog.txt
    deps: [source.txt, catalog.txt]
    outs: [data/raw: {meta: {queries: true}}]
  train:
    cmd: mkdir -p models/m && wc data/raw/today.txt > models/m/weights && cp catalog.txt models/m/types
    deps: [catalog.txt, data/raw]
    outs: [models/m]
  judge:
    cmd: cat models/m/weights > metrics.json
    deps: [models/m]
    outs: [metrics.json]
"""


@dataclass
class NightShop:
    """Everything below `folder`: `project` is the checkout, `registry.git` the git remote, `cache` its DVC cache."""

    folder: Path
    remote: Store
    commits: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return str(self.folder / "registry.git")

    @property
    def project(self) -> Path:
        return self.folder / "project"

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    def make(self) -> "NightShop":
        (self.project / ".dvc").mkdir(parents=True)
        endpoint = f"    endpointurl = {self.remote.endpoint}\n" if self.remote.endpoint else ""
        (self.project / ".dvc/config").write_text(
            f"[core]\n    analytics = false\n    site_cache_dir = {self.folder / 'site'}\n    remote = store\n"
            f"[cache]\n    dir = {self.cache}\n['remote \"store\"']\n    url = {self.remote.url}\n{endpoint}"
        )
        (self.project / "dvc.yaml").write_text(PIPELINE)
        (self.project / "catalog.txt").write_text("trousers\n")
        (self.project / ".gitignore").write_text("/data/\n/models/\n/metrics.json\n/source.txt\n/.dvc/tmp\n")
        run_git(self.folder, "init", "--quiet", "--bare", self.url)
        run_git(self.project, "init", "--quiet", "--initial-branch=main")
        names = [".dvc/config", "dvc.yaml", "catalog.txt", ".gitignore"]
        push(self.project, self.url, f"{commit_all(self.project, names, 'Code')}:refs/heads/main")
        return self

    def night(self, name: str, day: int) -> str:
        """A run of that day's log: its data in cache and remote, its commit on a branch and on `latest`."""
        (self.project / "source.txt").write_text(f"queries of {name} {'pants ' * day}\n")
        before = self._times()
        with chdir(self.project), Repo() as repo:
            repo.reproduce()
            repo.push(run_cache=True)
        self._date(before, day)
        with TemporaryDirectory() as scratch:
            fetch_commit(self.url, "main", Path(scratch))
            for file in ("source.txt", "dvc.lock"):
                shutil.copyfile(self.project / file, Path(scratch) / file)
            with dated(day):
                commit = commit_all(Path(scratch), ["source.txt", "dvc.lock"], f"Lock of {name}")
            push(Path(scratch), self.url, f"{commit}:refs/heads/run/{name}", f"+{commit}:refs/heads/latest")
        # The checkout goes on to other things.
        (self.project / "dvc.lock").unlink()
        self.commits[name] = commit
        return commit

    def release(self, name: str, day: int) -> Release:
        """Makes a night's model what production serves."""
        with TemporaryDirectory() as scratch, dated(day):
            run_git(Path(scratch), "init", "--quiet", "--bare")
            registry = Registry(self.url, Path(scratch))
            refs = registry.refs()
            release = self._release(name, refs.next_version(), day)
            registry.register(refs, release)
            number = refs.next_move("prod")
            move = Move(
                number=number,
                kind="promotion",
                version=release.version,
                before=refs.serving("prod"),
                hash=release.hash,
                when=release.created,
                by="night",
                why="better",
                figures={},
            )
            registry.move(registry.refs(), "prod", move)
        return release

    def _release(self, name: str, version: str, day: int) -> Release:
        checkpoint = ReleasedCheckpoint(
            variant="unified_aware",
            since=version,
            model=self.outs(name)["models/m"],
            encoder=None,
            hash=name,
            locales=("en-GB",),
            others=True,
        )
        return Release(
            version=version,
            created=(START + timedelta(days=day)).isoformat(timespec="seconds"),
            run=name,
            commit=self.commits[name],
            last_day=(START + timedelta(days=day)).date().isoformat(),
            by="night",
            why="better",
            variant="unified_aware",
            judged_against=None,
            figures={},
            checkpoints=(checkpoint,),
            store=self.remote,
        )

    def outs(self, name: str) -> dict[str, str]:
        """The hash of every output of a night, by its path."""
        text = run_git(Path(self.url), "show", f"{self.commits[name]}:dvc.lock")
        return {output.path: output.md5 for output in outputs_of(text, name)}

    def place(self) -> Place:
        return Place((self.url,), self.project, (PrunedStore(Store(str(self.cache))), PrunedStore(self.remote)))

    def clone(self, revision: str, folder: Path) -> Path:
        """A consumer's clone with an empty cache, whose remote is the shop's."""
        fetch_commit(self.url, revision, folder)
        (folder / ".dvc/config.local").write_text(
            f"[cache]\n    dir = {folder / 'empty'}\n['remote \"store\"']\n    url = {self.remote.url}\n"
        )
        return folder

    def refs(self) -> dict[str, str]:
        listed = run_git(Path(self.url), "for-each-ref", "--format=%(refname) %(objectname)")
        return dict(line.split() for line in listed.splitlines())

    def whole(self, store: PrunedStore, md5: str) -> bool:
        """Whether a store has an output with all of its files."""
        objects = store.objects()
        return md5 in objects and (not md5.endswith(".dir") or store.files(md5) <= objects.keys())

    def expired(self) -> list[dict[str, str]]:
        text = run_git(Path(self.url), "show", "expired:expired.jsonl")
        return [json.loads(line) for line in text.splitlines()]

    def _times(self) -> dict[Path, float]:
        folders = [self.cache, Path(self.remote.url)] if not self.remote.endpoint else [self.cache]
        return {path: path.stat().st_mtime for folder in folders for path in folder.rglob("*") if path.is_file()}

    def _date(self, before: dict[Path, float], day: int) -> None:
        """What is new is of that day, and what was there as old as it was: DVC pushes every result again."""
        for file in self._times():
            seconds = before.get(file, (START + timedelta(days=day)).timestamp())
            os.utime(file, (seconds, seconds))
            if "runs" in file.parts:
                os.utime(file.parent, (seconds, seconds))


class dated:  # noqa: N801 - reads like a word
    """Commits are of a day."""

    def __init__(self, day: int) -> None:
        self._when = f"{int((START + timedelta(days=day)).timestamp())} +0000"

    def __enter__(self) -> None:
        os.environ.update(GIT_COMMITTER_DATE=self._when, GIT_AUTHOR_DATE=self._when)

    def __exit__(self, *_: object) -> None:
        del os.environ["GIT_COMMITTER_DATE"], os.environ["GIT_AUTHOR_DATE"]
