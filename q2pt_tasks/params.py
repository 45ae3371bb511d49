"""Reads `params.yaml` strictly, once, at the edge.

Every section is a frozen class that lives with the stage that owns it, so that a new key of one stage re-runs no
other. A key that no class knows, a value of the wrong type or out of range is refused by name.
"""

import json
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

# Every top-level key of params.yaml. A stage reads its own section and, of these, the shared ones that it needs; what
# reads queries reads `encoder` as well.
SHARED_SECTIONS = ("seed", "training", "locales", "variants", "engine", "privacy")
STAGE_SECTIONS = (
    "ingest",
    "encoder",
    "validate",
    "label",
    "split",
    "tokenize",
    "train_unified",
    "train_non_unified",
    "evaluate",
    "gate",
    "report",
)
# Those that no stage reads.
OTHER_SECTIONS = ("retention",)

# Far more than anybody writes by hand.
_MOST_VALUES = 100_000

T = TypeVar("T")

# The section `seed`.
Seed = Annotated[int, Field(ge=0)]


class ParamsError(ValueError):
    """`params.yaml` says something that the pipeline cannot obey."""


class Section(BaseModel):
    """Base of every params class: frozen, strict about types, and closed to keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def read_section(path: Path, name: str, kind: type[T]) -> T:
    """The section `name` of the params file at `path`, as an object of `kind`.

    Raises:
        ParamsError: the file is missing or not YAML, or a key is unknown, missing, mistyped or out of range.
    """
    document = _read_document(path)
    if name not in document:
        raise ParamsError(f"{path}: the section '{name}' is missing; found {sorted(document)}")
    try:
        # JSON, because strict validation then still accepts what YAML can say: a list for a tuple, text for a date.
        return TypeAdapter(kind).validate_json(_as_json(path, name, document[name]), strict=True)
    except ValidationError as error:
        raise ParamsError(f"{path}: " + "; ".join(_sentences(name, error))) from None


def _as_json(path: Path, name: str, section: Any) -> str:  # noqa: ANN401 - YAML is what it is
    _check_size(path, name, section)
    try:
        return json.dumps(section, default=str)
    except (TypeError, ValueError, RecursionError) as error:
        raise ParamsError(f"{path}: the section '{name}' holds what params cannot be: {error}") from None


def _check_size(path: Path, name: str, section: Any) -> None:  # noqa: ANN401
    """An alias may stand for a list of aliases: a few lines of YAML can be billions of values, or have no end."""
    waiting, values = [section], 0
    while waiting:
        value = waiting.pop()
        values += 1
        if values > _MOST_VALUES:
            raise ParamsError(
                f"{path}: the section '{name}' has more than {_MOST_VALUES:,} values: write fewer aliases"
            )
        waiting += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _read_document(path: Path) -> dict[str, Any]:
    try:
        document = _parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(f"{path} not found: run from the root of the repository") from None
    except (YAMLError, ValueError, RecursionError) as error:
        raise ParamsError(f"{path} is not readable YAML: {error}") from None
    if not isinstance(document, dict):
        raise ParamsError(f"{path}: expected sections with keys, found {type(document).__name__}")
    known = set(SHARED_SECTIONS + STAGE_SECTIONS + OTHER_SECTIONS)
    if unknown := sorted(set(map(str, document)) - known):
        raise ParamsError(f"{path}: unknown section {', '.join(unknown)}; allowed are {', '.join(sorted(known))}")
    return document


@lru_cache(maxsize=1)
def _parse(text: str) -> Any:  # noqa: ANN401
    """Read once for all sections of a stage: a tenth of a second each."""
    # YAML 1.2, as DVC reads it: `1e-5` is a number there, `"1e-5"` and YAML 1.1's `on` and `off` are text.
    return YAML(typ="safe", pure=True).load(text)


def _sentences(section: str, error: ValidationError) -> list[str]:
    return [_sentence(section, problem) for problem in error.errors(include_url=False)]


def _sentence(section: str, problem: ErrorDetails) -> str:
    loc, kind, found = problem["loc"], problem["type"], problem["input"]
    key = ".".join([section, *map(str, loc)])
    if kind == "extra_forbidden":
        return f"unknown key '{key}' (found {found!r}); remove it or correct its spelling"
    if kind == "missing":
        return f"the key '{key}' is missing"
    allowed = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return f"'{key}' is {found!r} ({_kind(found)}); allowed: {allowed}"


def _kind(value: object) -> str:
    return {str: "text", int: "a whole number", float: "a number", bool: "true or false", type(None): "empty"}.get(
        type(value), type(value).__name__
    )
