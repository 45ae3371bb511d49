"""What goes over the wire: the documents of the service, as the OpenAPI document shows them."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from q2pt_tasks.data.schema import LOCALE_PATTERN
from q2pt_tasks.serving.http.limits import NEAR_MISSES, QUERY_CHARACTERS, QUESTIONS

# Control characters, and halves of a pair of UTF-16 without the other one.
_NO_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def _check_text(query: str) -> str:
    if found := _NO_TEXT.search(query):
        raise ValueError(
            f"the query has the control character U+{ord(found[0]):04X} at place {found.start()}: remove it"
        )
    return query


def _whole(number: object) -> object:
    """JSON does not tell 3 from 3.0."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


Query = Annotated[
    str,
    Field(
        max_length=QUERY_CHARACTERS,
        description="What a shopper typed, as typed: it is normalised here. A blank one means nothing.",
        examples=["pants"],
        json_schema_extra={"pattern": r"^[^\u0000-\u001F\u007F-\u009F]*$"},
    ),
    AfterValidator(_check_text),
]
Locale = Annotated[
    str, Field(pattern=LOCALE_PATTERN, max_length=16, description="The store it was typed in.", examples=["en-GB"])
]


class _Document(BaseModel):
    """A document in which unknown keys are refused: a slip must not be silently without effect."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Question(_Document):
    """A query, typed in a store."""

    query: Query
    locale: Locale
    model: Annotated[
        str | None,
        Field(max_length=100, description="A name of `/model`; by default the one that serves.", examples=[None]),
    ] = None
    near_misses: Annotated[
        int,
        Field(
            ge=0, le=NEAR_MISSES, strict=True, description="How many of the best types below their thresholds to show."
        ),
        BeforeValidator(_whole),
    ] = 0

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"examples": [{"query": "pants", "locale": "en-GB"}]}
    )


class Questions(_Document):
    """Questions of any stores, answered by one release."""

    questions: Annotated[list[Question], Field(min_length=1, max_length=QUESTIONS)]

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [{"questions": [{"query": "pants", "locale": "en-GB"}, {"query": "pants", "locale": "en-US"}]}]
        },
    )


class Meant(BaseModel):
    """A product type that is meant: its score is at or above its threshold."""

    product_type: Annotated[str, Field(examples=["UNDERPANTS"])]
    score: Annotated[float, Field(ge=0, le=1, examples=[0.93])]


class NearMiss(Meant):
    """A product type below its threshold; `null` where no score is high enough."""

    threshold: Annotated[float | None, Field(examples=[0.41])]


class Answer(BaseModel):
    """What a query means.

    `used_unknown_locale` says that the model does not know the store and was asked for an unknown one.
    """

    query: str
    locale: Annotated[str, Field(examples=["en-GB"])]
    model: Annotated[str, Field(examples=["unified_aware"])]
    release: Annotated[str, Field(examples=["v12"])]
    product_types: Annotated[list[Meant], Field(description="Best first.")]
    near_misses: Annotated[list[NearMiss], Field(description="Best first.")]
    used_unknown_locale: bool


class Answers(BaseModel):
    """One answer per question, in their order."""

    answers: list[Answer]


class CheckpointDocument(BaseModel):
    """A checkpoint of the release: where it comes from, how good it was on its own validation split, its thresholds."""

    variant: str
    locales: Annotated[list[str], Field(description="Those that it was trained on.")]
    product_types: Annotated[int, Field(description="How many it tells apart.")]
    status: str
    git_sha: str
    training_rows: int
    metrics: dict[str, float | None]
    thresholds: Annotated[
        dict[str, Any],
        Field(description="`by_type` counts before `by_locale`, which counts before `overall`; null means never."),
    ]


class ModelDocument(BaseModel):
    """A model of the release."""

    serves: Annotated[bool, Field(description="Whether it answers where no model is named.")]
    locales: Annotated[list[str], Field(description="The stores that have a checkpoint or a token of their own.")]
    other_locales: Annotated[bool, Field(description="Whether it answers for all other stores too.")]
    checkpoints: list[CheckpointDocument]


class ReleaseDocument(BaseModel):
    """What is served now."""

    release: Annotated[str, Field(examples=["v12"])]
    models: dict[str, ModelDocument]


class State(BaseModel):
    """How the service is, in a word."""

    status: str


class Problem(BaseModel):
    """Why a request was not answered."""

    detail: str
