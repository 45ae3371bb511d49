"""Sections of the project's own params.yaml, for tests that need one and do not look at it."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

EVALUATE: dict[str, Any] = YAML(typ="safe").load(Path("params.yaml").read_text(encoding="utf-8"))["evaluate"]
