"""A git remote and a DVC store with runs of random checkpoints, for tests of releases."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from checkpoints import LOCALES, random_checkpoint
from dvc.repo import Repo

from q2pt_tasks.git import commit_all, fetch_commit, push, run_git
from q2pt_tasks.registry import promotion
from q2pt_tasks.registry.candidate import Candidate, models_of
from q2pt_tasks.registry.promotion import Promotion, promote, roll_back
from q2pt_tasks.registry.release import Release, Store
from q2pt_tasks.registry.repository import Registry
from q2pt_tasks.registry.tags import PROD

MONDAY = datetime(2026, 11, 30, 2, 0, tzinfo=UTC)


class ReleaseShop:
    """The registry in `folder / "registry.git"`, its store in `folder / "store"`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = str(folder / "registry.git")
        self.store = folder / "store"

    def make(self) -> "ReleaseShop":
        project = self.folder / "project"
        (project / ".dvc").mkdir(parents=True)
        core = f"[core]\n    no_scm = true\n    site_cache_dir = {self.folder / 'site'}\n"
        (project / ".dvc/config").write_text(f"[cache]\n    dir = {self.store}\n{core}")
        run_git(self.folder, "init", "--quiet", "--bare", self.url)
        author = self.folder / "author"
        author.mkdir()
        run_git(author, "init", "--quiet")
        (author / "code").write_text("one\n")
        push(author, self.url, f"{commit_all(author, ['code'], 'Code')}:refs/heads/main")
        return self

    def hash_of(self, source: Path) -> str:
        """DVC's hash of a directory, which it has from now on."""
        project = self.folder / "project"
        target = project / "out"
        shutil.copytree(source, target)
        with Repo(str(project)) as repo:
            (stage,) = repo.add(str(target))
            md5: str = stage.outs[0].hash_info.value
        shutil.rmtree(target)
        (project / "out.dvc").unlink()
        return md5

    def run(
        self, name: str, seed: int = 1, locales: Sequence[str] = LOCALES, *, own: bool = False, kept: Sequence[str] = ()
    ) -> Candidate:
        """A run that the gate said yes to, against what serves now: of one model, or of one per store (`own`)."""
        serving = self.serving()
        variant = "non_unified" if own else "unified_aware"
        outs = self._models(variant, seed, locales)
        return Candidate(
            run=name,
            commit=self._commit(name, outs),
            variant=variant,
            models=models_of(outs, variant),
            locales=tuple(locales),
            kept=tuple(kept),
            last_day="2026-11-29",
            judged_against=(serving.version, serving.hash) if serving else None,
            by=f"Airflow run {name}",
            why=f"Promote {variant}: it is better.",
            figures={"micro_recall": 0.5 + seed / 100, "macro_recall": None},
            store=Store(str(self.store)),
        )

    def _models(self, variant: str, seed: int, locales: Sequence[str]) -> dict[str, str]:
        with TemporaryDirectory() as scratch:
            if variant == "unified_aware":
                return {
                    f"models/{variant}": self.hash_of(random_checkpoint(Path(scratch) / "m", variant, locales, seed))
                }
            (Path(scratch) / "encoder").mkdir()
            (Path(scratch) / "encoder/resolved.json").write_text("{}")
            outs = {"data/encoder": self.hash_of(Path(scratch) / "encoder")}
            for locale in locales:
                made = random_checkpoint(Path(scratch) / locale, variant, (locale,), seed)
                outs[f"models/{variant}/{locale}"] = self.hash_of(made)
            return outs

    def _commit(self, name: str, outs: Mapping[str, str]) -> str:
        with TemporaryDirectory() as scratch:
            clone = Path(scratch)
            fetch_commit(self.url, "main", clone)
            (clone / "dvc.lock").write_text("".join(f"{path}: {md5}\n" for path, md5 in outs.items()))
            commit = commit_all(clone, ["dvc.lock"], f"Lock of {name}")
            push(clone, self.url, f"{commit}:refs/heads/run/{name}")
        return commit

    @contextmanager
    def registry(self) -> Iterator[Registry]:
        with TemporaryDirectory() as scratch:
            run_git(Path(scratch), "init", "--quiet", "--bare")
            yield Registry(self.url, Path(scratch))

    def promote(self, candidate: Candidate, day: int = 0) -> Promotion:
        with self.registry() as registry:
            return promote(registry, candidate, MONDAY + timedelta(days=day))

    def register(self, candidate: Candidate) -> None:
        """What a promotion has done when it is killed before it verifies."""
        with self.registry() as registry:
            refs = registry.refs()
            moves = registry.moves(refs, PROD)
            promotion._register(registry, refs, candidate, registry.serving(PROD), moves, MONDAY)

    def roll_back(self, to: str | None = None, day: int = 0, why: str = "shoppers complain") -> Promotion:
        with self.registry() as registry:
            return roll_back(registry, to, "ann@desk", why, MONDAY + timedelta(days=day))

    def serving(self) -> Release | None:
        with self.registry() as registry:
            return registry.serving(PROD)

    def commit_of(self, version: str) -> str:
        return run_git(Path(self.url), "rev-parse", f"q2pt@{version}.0.0^{{commit}}")

    def refs(self) -> dict[str, str]:
        listed = run_git(Path(self.url), "for-each-ref", "--format=%(refname) %(objectname)")
        return dict(line.split() for line in listed.splitlines())

    def object(self, md5: str) -> Path:
        return self.store / "files/md5" / md5[:2] / md5[2:]


def judged_now(shop: ReleaseShop, candidate: Candidate) -> Candidate:
    """The same candidate, compared with what serves now."""
    serving = shop.serving()
    return replace(candidate, judged_against=(serving.version, serving.hash) if serving else None)
