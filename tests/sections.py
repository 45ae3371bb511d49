"""Sections of the project's own params.yaml, for tests that need one and do not look at it."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

EVALUATE: dict[str, Any] = YAML(typ="safe").load(Path("params.yaml").read_text(encoding="utf-8"))["evaluate"]

ENCODER: dict[str, Any] = {
    "name": "scratch",
    "revision": "main",
    "max_tokens": 32,
    "scratch": {"layers": 2, "width": 64, "heads": 2, "unified_vocabulary": 2000, "non_unified_vocabulary": 1000},
}
_TABLES = {"events": "e", "catalog": "c", "landing": "landing"}
# Of sources that these tests do not read.
DATABASE: dict[str, Any] = {"address": "postgresql://localhost/shop", **_TABLES}
LAKE: dict[str, Any] = {"format": "delta", "events_version": None, "catalog_version": None, **_TABLES}
