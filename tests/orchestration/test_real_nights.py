"""Two nights of the project's own pipeline, tiny: the first is promoted, the second is judged against it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from night_repository import Shop
from stage_repository import commit_files, make_settings
from tiny import CHANGES, LOCALES

from q2pt_tasks.orchestration.graph import read_graph
from q2pt_tasks.orchestration.promote import promote

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

TRAININGS = {
    *(f"train_non_unified@{locale}" for locale in LOCALES),
    *(f"train_unified@unified_{kind}" for kind in ("agnostic", "aware")),
}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """The project as it stands, with tiny params, in a git remote."""
    # The stages call `python`.
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:/usr/bin:/bin")
    remote = tmp_path / "remote.git"
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(remote)], check=True)
    shop = Shop(make_settings(tmp_path, str(remote)))
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")
    kept = [name for name in names if name and name != "dvc.lock" and not name.startswith(("tests/", "docs/"))]
    commit_files(shop.settings, {name: Path(name).read_text(encoding="utf-8") for name in kept if Path(name).is_file()})
    shop.commit_params(dict(CHANGES))
    return shop


def test_the_second_night_judges_the_same_models_against_the_first(shop: Shop) -> None:
    rendered = read_graph(shop.settings.work_dir.parent / "author", shop.settings.work_dir / "graphs").upstream
    shop.night("first", rendered=rendered)
    promoted = promote(shop.settings, shop.plan, shop.joined)
    second, _ = shop.night("second", rendered=rendered)
    assert set(second.unchanged) == {"ingest", "encoder", "validate", "label", "split", "tokenize", *TRAININGS}
    decision = json.loads(_output(shop, "gate", "reports/decision.json"))
    assert decision["champion"] == {"version": "v1", "hash": promoted.hash}
    assert decision["promote"] is False, "the champion is the same model: no gain"
    summary = json.loads(_output(shop, "evaluate", "metrics/summary.json"))
    candidate = decision["candidate"]
    assert summary["headline"]["champion"] == summary["headline"][candidate]
    third = shop.configure("third", rendered=rendered)
    assert set(third.unchanged) == set(rendered)


def _output(shop: Shop, stage: str, path: str) -> str:
    (md5,) = (out["md5"] for out in shop.entries[stage]["outs"] if out["path"] == path)
    file: Path = shop.settings.dvc_cache / "files/md5" / md5[:2] / md5[2:]
    return file.read_text(encoding="utf-8")
