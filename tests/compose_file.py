"""docker-compose.yml as Compose reads it: anchors resolved, variables filled in, the files that it names read."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

COMPOSE_FILE = Path("docker-compose.yml")
_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\}")


@dataclass(frozen=True)
class Service:
    """One service.

    Attributes:
        name: its name.
        raw: its part of the file, variables not filled in.
    """

    name: str
    raw: Mapping[str, Any]

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401 - YAML
        return filled_in(self.raw[key], {})

    def get(self, key: str, default: Any) -> Any:  # noqa: ANN401
        return filled_in(self.raw.get(key, default), {})

    @property
    def needs(self) -> dict[str, str]:
        """The services that it waits for, with what it waits for."""
        return {name: needed["condition"] for name, needed in self.get("depends_on", {}).items()}

    @property
    def networks(self) -> set[str]:
        return set(self.get("networks", ["default"]))

    @property
    def mounts(self) -> list[tuple[str, str, str]]:
        """Of each volume what is mounted, where, and `rw` or `ro`."""
        parts = [volume.split(":") for volume in self.get("volumes", [])]
        return [(source, target, mode[0] if mode else "rw") for source, target, *mode in parts]

    @property
    def option(self) -> dict[str, str]:
        """The options of its command that have a value."""
        return {word: value for word, value in pairwise(self["command"]) if word.startswith("--")}

    @cached_property
    def environment(self) -> dict[str, str]:
        """What it is told, `env_file` first; a secret is its variable's name."""
        told = read_env(Path(self.raw["env_file"])) if "env_file" in self.raw else {}
        return told | {name: str(value) for name, value in self.get("environment", {}).items()}

    @property
    def long_running(self) -> bool:
        return bool(self["restart"] != "no")


def read_services(path: Path = COMPOSE_FILE) -> dict[str, Service]:
    return {name: Service(name, raw) for name, raw in read_compose(path)["services"].items()}


def read_compose(path: Path = COMPOSE_FILE) -> dict[str, Any]:
    document: dict[str, Any] = YAML(typ="safe").load(path)
    return document


def read_env(path: Path) -> dict[str, str]:
    """The variables of an environment file."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def filled_in(value: Any, variables: Mapping[str, str]) -> Any:  # noqa: ANN401
    """`value` with its variables: those of `variables`, else the default, else the name."""
    if isinstance(value, dict):
        return {key: filled_in(part, variables) for key, part in value.items()}
    if isinstance(value, list):
        return [filled_in(part, variables) for part in value]
    if not isinstance(value, str):
        return value

    def fill(found: re.Match[str]) -> str:
        default = found["rest"] if found["kind"] == "-" else found["name"]
        return variables.get(found["name"], default)

    return _VARIABLE.sub(fill, value).replace("$$", "$")


def required_variables(text: str) -> set[str]:
    """The variables without which Compose refuses to start."""
    return {found["name"] for found in _VARIABLE.finditer(text) if found["kind"] != "-"}
