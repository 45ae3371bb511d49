"""The project with stages that only write a few small files: the same graph, a run without the training."""

import shlex
import sys
from collections.abc import Iterable
from io import StringIO
from pathlib import Path
from typing import Any

from airflow_local import make_checkout
from checkpoints import random_checkpoint
from ruamel.yaml import YAML

from q2pt_tasks.git import commit_all

_STAGE = '''\
"""Writes what a stage of the graph makes, and the files in it that others depend on."""

import json
import shutil
import sys
from pathlib import Path

CHECKPOINTS = Path("@CHECKPOINTS@")


def write(path, text="{}"):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)


def write_table(path, rows):
    # Slow to import, and most stages write no tables.
    import pyarrow as pa
    from pyarrow import parquet

    Path(path).parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table({"row": list(range(rows))}), path)


def page(title, body):
    return f"<!DOCTYPE html><html lang='en'><title>{title}</title><h1>{title}</h1>{body}</html>"


stage, item, *locales = sys.argv[1:]
if stage == "ingest":
    write("data/raw/window.json")
    write("data/raw/brands.json")
    write_table("data/raw/events/events.parquet", 1200)
elif stage == "encoder":
    write("data/encoder/resolved.json")
elif stage == "validate":
    write_table("data/valid/events.parquet", 1188)
    write_table("data/quarantine/events.parquet", 12)
    write("reports/validation/result.json")
    write("reports/validation/index.html", page("The log was accepted", "<p>12 of 1,200 rows are set apart.</p>"))
elif stage == "label":
    write_table("data/labeled/labels.parquet", 900)
    write("data/labeled/assortment.json")
elif stage == "split":
    write("data/splits/label_space.json")
    write("data/splits/census.json")
    for locale in locales:
        write(f"data/splits/locale={locale}/label_space.json")
        write(f"data/splits/locale={locale}/census.json")
elif stage == "tokenize":
    write("data/tokens/unified/tokens")
    for locale in locales:
        write(f"data/tokens/non_unified/{locale}/tokens")
elif stage in ("train_unified", "train_non_unified"):
    folder = f"models/{item}" if stage == "train_unified" else f"models/non_unified/{item}"
    if (CHECKPOINTS / item).is_dir():
        shutil.copytree(CHECKPOINTS / item, folder)
    else:
        write(f"{folder}/metadata.json", item)
elif stage == "evaluate":
    write("metrics/comparison.json")
    champion = json.loads(Path("champion.json").read_text())
    figures = {"unified_aware": {"micro_recall": 0.5, "macro_recall": None}, "non_unified": {"micro_recall": 0.25}}
    write("metrics/summary.json", json.dumps({"headline": figures, "champion": champion}))
    write("metrics/locales.json")
    for name in ("intervals", "differences", "calibration", "precision_recall", "slices", "mistakes", "model_card"):
        write(f"metrics/{name}.json")
elif stage == "gate":
    from ruamel.yaml import YAML

    floor = YAML(typ="safe").load(Path("params.yaml"))["gate"]["floor"]
    enough = 0.5 > floor
    champion = json.loads(Path("metrics/summary.json").read_text())["champion"]
    judged = {"version": champion["version"], "hash": champion["hash"]} if champion["version"] else None
    rules = [{"name": "floor", "passed": enough, "sentence": f"0.500 is {'' if enough else 'not '}above {floor:.3f}"}]
    sentence = f"unified_aware is {'' if enough else 'not '}good enough."
    decision = {"promote": enough, "candidate": "unified_aware", "champion": judged, "rules": rules}
    write("reports/decision.json", json.dumps({**decision, "sentence": sentence}))
elif stage == "report":
    write("reports/index.html", page("Query to product type", "<p><a href='validation/index.html'>Validation</a></p>"))
'''
STAGE_FILE = "fast_stage.py"


def make_fast_project(folder: Path, changes: dict[str, Any]) -> Path:
    """A git repository with the project as it stands, `changes` of params.yaml, and stages that take no time.

    Its gate says yes where `gate.floor` is below 0.5, whoever the champion is.
    """
    checkout = make_checkout(folder, changes)
    locales = YAML().load((checkout / "params.yaml").read_text(encoding="utf-8"))["locales"]
    path = checkout / "dvc.yaml"
    path.write_text(fast_pipeline(path.read_text(encoding="utf-8"), locales), encoding="utf-8")
    checkpoints = folder.with_name("checkpoints")
    random_checkpoint(checkpoints / "unified_aware", locales=locales)
    (checkout / STAGE_FILE).write_text(fast_stage(checkpoints), encoding="utf-8")
    commit_all(checkout, ["dvc.yaml", STAGE_FILE], "Fast stages")
    return checkout


def fast_stage(checkpoints: Path) -> str:
    """The code of the stages; a training copies the checkpoint of its name in `checkpoints`, where there is one."""
    return _STAGE.replace("@CHECKPOINTS@", str(checkpoints))


def fast_pipeline(text: str, locales: Iterable[str]) -> str:
    """The project's `dvc.yaml` with `fast_stage`, in the file `STAGE_FILE`, in place of its stages' code."""
    yaml = YAML()
    document = yaml.load(text)
    for name, stage in document["stages"].items():
        items = [f"${{item.{key}}}" for key in stage.get("matrix", {})] or ["-"]
        stage["cmd"] = " ".join([shlex.quote(sys.executable), STAGE_FILE, name, *items, *locales])
        stage["deps"] = [STAGE_FILE, *(dep for dep in stage["deps"] if not dep.startswith("q2pt_tasks/"))]
    stream = StringIO()
    yaml.dump(document, stream)
    return stream.getvalue()
