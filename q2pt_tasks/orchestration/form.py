"""What a person may ask of one run. Every field may be empty, which means: as committed.

Whoever may trigger a run may send anything, so each value is judged here, by name, before it reaches a file, git or a
log.
"""

import json
import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from q2pt_tasks.plain_text import in_markdown, moves_cursor

# A model of a hub such as owner/name, or an absolute path: no space, leading dash or `..`, nothing that a shell reads.
_PART = "[A-Za-z0-9_][A-Za-z0-9_.-]*"
# As a schema has it; `$` alone would let a line break pass at the end.
ENCODER_PATTERN = rf"^({_PART}(/{_PART})?|(/\.?{_PART})+)$(?!\n)"
# A locale or a variant. The commit knows which there are; this keeps out what can be none in any commit.
_NAME = re.compile(r"[a-z0-9_][\w-]*", re.ASCII | re.IGNORECASE)
_MAX_TEXT = 1000
# Fields that change neither what a run makes nor what becomes of it.
_ASIDE = ("approval", "why")
# What templates show a person make of a form's text.
FILTERS = {"in_markdown": in_markdown}


class FormError(ValueError):
    """The form asks for something that a run cannot do."""


def _check_encoder(text: str) -> str:
    if not re.match(ENCODER_PATTERN, text):
        raise ValueError("the name of a model on Hugging Face such as owner/name, an absolute path, scratch")
    return text


def _check_names(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names or any(not _NAME.fullmatch(name) for name in names):
        raise ValueError("at least one name, of letters, digits, _ and -")
    return names


def _check_prose(text: str) -> str:
    """Prose may have lines, but not what moves a terminal's cursor or is no text at all."""
    if moves_cursor(text):
        raise ValueError("text without control characters")
    return text


Encoder = Annotated[str, Field(max_length=_MAX_TEXT), AfterValidator(_check_encoder)]
Names = Annotated[tuple[str, ...], AfterValidator(_check_names)]
Prose = Annotated[str, Field(max_length=_MAX_TEXT), AfterValidator(_check_prose)]


class Form(BaseModel):
    """The form of a manual run.

    Attributes:
        last_day: the window's last day.
        locales: those to train and judge, of the committed ones.
        variants: the unified variants to train, of the committed ones.
        encoder: as `encoder.name` in params.yaml.
        epochs: the most epochs that a training may take.
        force: run every stage, whether or not anything changed.
        approval: ask a person before the promotion.
        promote: true: also where the rules withhold the promotion of such a run; false: never.
        why: a reason, for the run's commit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    last_day: date | None = None
    locales: Names | None = None
    variants: Names | None = None
    encoder: Encoder | None = None
    epochs: Annotated[int, Field(ge=1, le=1000)] | None = None
    force: bool | None = None
    approval: bool | None = None
    promote: bool | None = None
    why: Prose | None = None

    def overrides(self) -> tuple[str, ...]:
        """The fields by which the run does other than the committed night would."""
        return tuple(name for name, value in self if value is not None and name not in _ASIDE)


def read_form(values: Mapping[str, Any]) -> Form:
    """The form with these values, as JSON has them: a day is text, a list is a list.

    Raises:
        FormError: a field is unknown, mistyped or out of range.
    """
    try:
        return Form.model_validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        raise FormError("; ".join(_sentence(problem) for problem in error.errors(include_url=False))) from None


def _sentence(problem: ErrorDetails) -> str:
    field = ".".join(map(str, problem["loc"])) or "text"
    if problem["type"] == "extra_forbidden":
        return f"the form has no field {field!r}; it has {', '.join(Form.model_fields)}"
    allowed = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return f"the form's {field} is {problem['input']!r}; allowed: {allowed}, or nothing for what is committed"
