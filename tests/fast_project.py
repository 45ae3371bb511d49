"""The project with stages that only write a few small files: the same graph, a run without the training."""

from pathlib import Path
from typing import Any

from airflow_local import make_checkout
from ruamel.yaml import YAML

from q2pt_tasks.orchestration.git import commit_all

STAGE = '''\
"""Writes what a stage of the graph makes, and the files in it that others depend on."""

import json
import sys
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet


def write(path, text="{}"):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)


def write_table(path, rows):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table({"row": list(range(rows))}), path)


def page(title, body):
    return f"<!DOCTYPE html><html lang='en'><title>{title}</title><h1>{title}</h1>{body}</html>"


stage, item, *locales = sys.argv[1:]
if stage == "ingest":
    write("data/raw/window.json")
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
elif stage == "split":
    write("data/splits/label_space.json")
    for locale in locales:
        write(f"data/splits/locale={locale}/label_space.json")
elif stage == "tokenize":
    write("data/tokens/unified/tokens")
    for locale in locales:
        write(f"data/tokens/non_unified/{locale}/tokens")
elif stage == "train_unified":
    write(f"models/{item}/metadata.json", item)
elif stage == "train_non_unified":
    write(f"models/non_unified/{item}/metadata.json", item)
elif stage == "evaluate":
    champion = json.loads(Path("champion.json").read_text())
    figures = {"unified_aware": {"micro_recall": 0.5, "macro_recall": None}, "non_unified": {"micro_recall": 0.25}}
    write("metrics/summary.json", json.dumps({"headline": figures, "champion": champion}))
    write("metrics/locales.json")
    write("metrics/precision_recall.json")
elif stage == "gate":
    champion = json.loads(Path("metrics/summary.json").read_text())["champion"]
    judged = {"version": champion["version"], "hash": champion["hash"]} if champion["version"] else None
    rules = [{"name": "floor", "passed": True, "sentence": "0.500 is above 0.300"}]
    decision = {"promote": True, "candidate": "unified_aware", "champion": judged, "rules": rules}
    write("reports/decision.json", json.dumps({**decision, "sentence": "unified_aware is good enough."}))
elif stage == "report":
    write("reports/index.html", page("Query to product type", "<p><a href='validation/index.html'>Validation</a></p>"))
'''
_NAME = "fast_stage.py"


def make_fast_project(folder: Path, changes: dict[str, Any]) -> Path:
    """A git repository with the project as it stands, `changes` of params.yaml, and stages that take no time."""
    checkout = make_checkout(folder, changes)
    yaml = YAML()
    path = checkout / "dvc.yaml"
    document = yaml.load(path.read_text(encoding="utf-8"))
    locales = " ".join(yaml.load((checkout / "params.yaml").read_text(encoding="utf-8"))["locales"])
    for name, stage in document["stages"].items():
        items = [f"${{item.{key}}}" for key in stage.get("matrix", {})] or ["-"]
        stage["cmd"] = f"python {_NAME} {name} {items[0]} {locales}"
        stage["deps"] = [_NAME, *(dep for dep in stage["deps"] if not dep.startswith("q2pt_tasks/"))]
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(document, file)
    (checkout / _NAME).write_text(STAGE, encoding="utf-8")
    commit_all(checkout, ["dvc.yaml", _NAME], "Fast stages")
    return checkout
