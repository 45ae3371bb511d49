"""A shop's year in nights: promoted, refused, routed by store, widened, renewed by age, rolled back.

The figures of a night are given (`story_evaluate.py`); what is decided by them, and what follows, is the project's own,
in a real git remote and a real DVC remote.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pytest
from checkpoints import TYPES, random_checkpoint
from dvc.repo import Repo
from night_repository import Shop, checkpoints_of, make_shop
from s3_service import s3_bucket
from stage_repository import commit_files

from q2pt_tasks import cli
from q2pt_tasks.model.champion import hash_folder
from q2pt_tasks.orchestration import decide, rollback
from q2pt_tasks.orchestration.clone import private_clone
from q2pt_tasks.orchestration.graph import read_graph
from q2pt_tasks.orchestration.promote import promote
from q2pt_tasks.registry.candidate import PromotionRefusedError
from q2pt_tasks.registry.opening import open_release
from q2pt_tasks.registry.repository import open_registry

pytestmark = [pytest.mark.slow, pytest.mark.enable_socket, pytest.mark.timeout(1200)]

LARGE, SMALL, NEW = "en-US", "fr-BE", "nl-NL"
WIDER = (*TYPES, "TENT")
# What shoppers ask for, of types that a night adds or loses.
POSITIVES = {"TENT": 30, "SOFA": 40}
PIPELINE = f"""\
stages:
  ingest:
    cmd: mkdir -p data/raw && cp data/source.json data/raw/window.json
    deps: [data/source.json]
    outs: [data/raw]
  train_unified:
    matrix:
      variant: ${{variants}}
    cmd: mkdir -p models && cp -r CHECKPOINTS/`cat name` models/${{item.variant}}
    deps: [data/raw, name]
    outs: ["models/${{item.variant}}"]
  evaluate:
    cmd: {sys.executable} evaluate.py
    deps: [champion.json, data/raw, evaluate.py, models, night.json]
    outs: [metrics/comparison.json, metrics/summary.json]
  gate:
    cmd: {sys.executable} -m q2pt_tasks gate
    deps: [metrics/comparison.json, metrics/summary.json]
    params: [gate]
    outs: [reports/decision.json]
"""


@dataclass(frozen=True)
class Night:
    """What a night brings.

    Attributes:
        name: of its run.
        day: the last day of its window.
        gains: differences from the champion's recall, overall as `all` and by store; it trains these stores.
        types: the product types that its model knows.
    """

    name: str
    day: str
    gains: Mapping[str, float]
    types: Sequence[str] = TYPES

    @property
    def stores(self) -> list[str]:
        return [name for name in self.gains if name != "all"]


@pytest.fixture(params=["directory", "s3"])
def shop(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A new shop with a DVC remote of either kind."""
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    shop = make_shop(tmp_path / "shop")
    if request.param == "directory":
        shop.settings = replace(shop.settings, dvc_remote=str(tmp_path / "remote"))
    else:
        url = request.getfixturevalue("bucket")
        shop.settings = replace(shop.settings, dvc_remote="s3://shop/data", dvc_remote_endpoint=url)
    files = {"dvc.yaml": PIPELINE.replace("CHECKPOINTS", str(checkpoints_of(shop)))}
    files["evaluate.py"] = Path("tests/story_evaluate.py").read_text(encoding="utf-8")
    commit_files(shop.settings, files)
    return shop


@pytest.fixture
def bucket() -> Iterator[str]:
    """The URL of an S3 service with the bucket `shop`."""
    with s3_bucket("shop") as url:
        yield url


def _spend(shop: Shop, night: Night, **rules: str) -> str:
    """Every task of a night; the version that it brings into production, or why it brings none."""
    checkpoints = checkpoints_of(shop)
    seed = len(list(checkpoints.iterdir()))
    random_checkpoint(checkpoints / night.name, locales=night.stores, seed=seed, types=night.types)
    shop.commit_params(
        {"locales": night.stores, "variants": ["unified_aware"], "ingest.synthetic.last_day": night.day}
        | {f"gate.{name}": value for name, value in rules.items()}
    )
    given = json.dumps({"gains": night.gains, "positives": POSITIVES})
    commit = commit_files(shop.settings, {"name": f"{night.name}\n", "night.json": given})
    with private_clone(shop.settings, commit) as clone:
        rendered = read_graph(clone, shop.settings.work_dir / "graphs").upstream
    plan = shop.configure(night.name, rendered=rendered)
    shop.run_stages(plan)
    joined = shop.join(plan)
    verdict = decide.run(shop.settings, {"plan": plan.to_json(), "joined": asdict(joined)})
    if verdict["step"] is None:
        with pytest.raises(PromotionRefusedError, match="the gate said no"):
            promote(shop.settings, plan, joined)
        return str(verdict["sentence"])
    return promote(shop.settings, plan, joined).version


def _nights_that_serve(shop: Shop, folder: Path) -> dict[str, str]:
    """The night whose model a consumer gets who has the registry's URL alone, by store."""
    opened = open_release("prod", shop.settings.git_remote, folder)
    nights = {hash_folder(made): made.name for made in checkpoints_of(shop).iterdir()}
    found = {store: opened.checkpoint_of(store) for store in opened.locales}
    return {store: nights[hash_folder(folder)] for store, folder in found.items() if folder is not None}


def test_a_shops_nights(shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    consumer = tmp_path / "consumer"
    both, all_three = (LARGE, SMALL), (LARGE, SMALL, NEW)
    assert _spend(shop, Night("first", "2026-06-01", dict.fromkeys(("all", *both), 0.0))) == "v1"
    assert _spend(shop, Night("better", "2026-06-08", dict.fromkeys(("all", *both), 0.04))) == "v2"
    assert _nights_that_serve(shop, consumer) == dict.fromkeys(both, "better")

    uneven = {"all": 0.03, LARGE: 0.04, SMALL: -0.1}
    assert "fr-BE is shown to be worse than the champion" in _spend(shop, Night("uneven", "2026-06-15", uneven))
    assert _spend(shop, Night("routed", "2026-06-16", uneven), per_locale_routing="on") == "v3"
    assert _nights_that_serve(shop, consumer) == {LARGE: "routed", SMALL: "better"}

    level = dict.fromkeys(("all", *all_three), 0.0)
    assert _spend(shop, Night("wider", "2026-06-23", level, WIDER)) == "v4"
    assert _nights_that_serve(shop, consumer) == dict.fromkeys(all_three, "wider")

    gain = dict.fromkeys(("all", *all_three), 0.05)
    without_sofas = [name for name in WIDER if name != "SOFA"]
    refusal = _spend(shop, Night("narrow", "2026-06-30", gain, without_sofas))
    assert "The new model does not know SOFA (40 positives)" in refusal
    assert "neither old nor lacks" in _spend(shop, Night("level", "2026-07-01", level, WIDER))
    assert _spend(shop, Night("newer", "2026-07-25", level, WIDER)) == "v5"
    assert _nights_that_serve(shop, consumer) == dict.fromkeys(all_three, "newer")

    rollback.run(shop.settings, {"version": None, "why": "shoppers complain", "by": "Ada"})
    assert _nights_that_serve(shop, consumer) == dict.fromkeys(all_three, "wider")
    _check_history(shop, capsys)
    for version in ("v1", "v2", "v3", "v4", "v5"):
        _check_reproducible(shop, version)


def _check_history(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """`q2pt history` tells all of it, the newest first."""
    capsys.readouterr()
    cli.main(["history", "--registry", shop.settings.git_remote])
    moves = capsys.readouterr().out.strip().split("\n\n")
    told = [
        ("rollback  v5 -> v4  by Ada", "shoppers complain"),
        ("promotion  v4 -> v5  by Airflow run newer", "not inferior, the champion's last day is 32 days back"),
        ("promotion  v3 -> v4  by Airflow run wider", "does not know TENT; the champion does not serve nl-NL"),
        ("promotion  v2 -> v3  by Airflow run routed", "fr-BE stays with the champion"),
        ("promotion  v1 -> v2  by Airflow run better", "a difference of +0.040 (+0.036 to +0.044)"),
        ("promotion  nothing -> v1  by Airflow run first", "floor 0.300"),
    ]
    for move, (what, why) in zip(moves, told, strict=True):
        assert what in move.splitlines()[0]
        assert why in move


def _check_reproducible(shop: Shop, version: str) -> None:
    """In a new clone of a release's commit, on a machine without a cache, `dvc repro --pull` has nothing to do."""
    with open_registry(shop.settings.git_remote) as registry:
        commit = registry.refs().commit_of(version)
    elsewhere = replace(shop.settings, dvc_cache=shop.settings.work_dir / f"empty-{version}")
    with private_clone(elsewhere, commit) as clone, chdir(clone), Repo() as repo:
        assert repo.reproduce(pull=True) == []
        assert (clone / "models/unified_aware/metadata.json").is_file()
        assert repo.status() == {}
