"""What a checkpoint's `metadata.json` says: what the weights cannot. Read without torch."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import TypeAdapter, ValidationError

from q2pt_tasks.data.queries import NORMALISATION
from q2pt_tasks.model.recipe import ObjectiveName
from q2pt_tasks.model.variants import UNIFIED_AWARE

SCHEMA_VERSION = 6
METADATA = "metadata.json"
# Beside it lies what the training queries consisted of, as `data/census.py` counts it.
CENSUS = "census.json"

Status = Literal["trained", "degenerate", "untrained"]


class CheckpointError(ValueError):
    """A checkpoint is missing, incomplete, or not what its metadata says."""


@dataclass(frozen=True, kw_only=True)
class Base:
    """The encoder that a checkpoint needs, because it holds only what changed against it.

    Attributes:
        path: the encoder's weights, from a folder above the checkpoint on.
        md5: of their content, which is also DVC's name of the file.
    """

    path: str
    md5: str


@dataclass(frozen=True, kw_only=True)
class NGramsBeside:
    """The n-gram model whose logits are averaged with the encoder's.

    Attributes:
        weight: of its logits.
        form: name of what the parts of a query are.
        longest: characters of the longest part.
    """

    weight: float
    form: str
    longest: int


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """What a checkpoint is.

    Attributes:
        variant: `non_unified`, `unified_agnostic` or `unified_aware`.
        locales: the locales that it was trained on, in the order of their indices.
        product_types: the label space, in the order of the outputs.
        status: `degenerate`: no better than always naming the most frequent types; `untrained`: too little data, then
            the directory holds no weights. Neither can be promoted.
        reason: why the status is not `trained`, else empty.
        max_tokens: tokens of a query, its first and last included; a locale token comes on top.
        objective: what it was trained for, which says how its logits become scores.
        normalisation: name of the normal form that queries must have.
        split: salt and fractions of the split that its training queries come from.
        unsold: locale -> product types that its store does not sell, which it is never given; empty where that is not
            looked at.
        params: the params that it was trained with.
        git_sha: commit of the code, empty outside a repository.
        data_hashes: MD5 of each file that it was trained on.
        thresholds: score thresholds for the precision in `metrics`, chosen on its own validation split.
        metrics: figures on its own validation split.
        history: one entry per epoch.
        base: what it needs beside its own files; None for one that holds all of its weights.
        ngrams: the n-gram model beside the encoder; None where there is none.
    """

    variant: str
    locales: tuple[str, ...]
    product_types: tuple[str, ...]
    status: Status
    reason: str
    training_rows: int
    max_tokens: int
    objective: ObjectiveName
    split: Mapping[str, Any]
    unsold: Mapping[str, Sequence[str]]
    params: Mapping[str, Any]
    git_sha: str
    data_hashes: Mapping[str, str]
    thresholds: Mapping[str, Any]
    metrics: Mapping[str, float | None]
    history: tuple[Mapping[str, float], ...]
    seconds: float
    base: Base | None = None
    ngrams: NGramsBeside | None = None
    normalisation: str = NORMALISATION
    schema_version: int = SCHEMA_VERSION

    @property
    def is_aware(self) -> bool:
        return self.variant == UNIFIED_AWARE


_METADATA = TypeAdapter(Metadata)


def save_metadata(folder: Path, metadata: Metadata) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    document = json.dumps(dataclasses.asdict(metadata), indent=1, ensure_ascii=False, allow_nan=False)
    (folder / METADATA).write_text(document + "\n", encoding="utf-8")


def load_metadata(folder: Path) -> Metadata:
    """The metadata of the checkpoint in `folder`.

    Raises:
        CheckpointError: there is none, or this code cannot read it.
    """
    if not folder.is_dir():
        raise CheckpointError(f"there is no directory {folder.absolute()}: give that of a checkpoint")
    try:
        text = (folder / METADATA).read_text(encoding="utf-8")
        document = json.loads(text)
    except FileNotFoundError:
        raise CheckpointError(f"{folder} holds no {METADATA}: it is not a finished checkpoint") from None
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{folder / METADATA} is not readable JSON: {error}") from None
    if not isinstance(document, dict):
        raise CheckpointError(f"{folder / METADATA} is no metadata of a checkpoint, found {document!r}")
    _refuse_other_version(folder, document)
    expected = {field.name for field in dataclasses.fields(Metadata)}
    refuse_if(folder, "metadata keys", sorted(document), sorted(expected))
    if document["objective"] not in get_args(ObjectiveName):
        known = ", ".join(get_args(ObjectiveName))
        raise CheckpointError(f"{folder}: it was trained for {document['objective']!r}, this code knows {known}")
    try:
        return _METADATA.validate_json(text, strict=True)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise CheckpointError(f"{folder / METADATA}: {where}: {problem['msg']}") from None


def _refuse_other_version(folder: Path, document: Mapping[str, Any]) -> None:
    found = document.get("schema_version")
    # The one before added the n-grams' logits instead of averaging; without n-grams it means the same.
    is_the_same = found == SCHEMA_VERSION - 1 and document.get("ngrams") is None
    if found != SCHEMA_VERSION and not is_the_same:
        raise CheckpointError(
            f"{folder}: the checkpoint has schema version {found!r}, this code reads {SCHEMA_VERSION}: train the model "
            "again, or use the code of the commit that `git_sha` in its metadata names"
        )


def refuse_if(folder: Path, what: str, found: object, expected: object) -> None:
    """Raises CheckpointError, which shows both sides, where they differ."""
    if found != expected:
        raise CheckpointError(f"{folder}: {what} do not fit: the checkpoint has {found!r}, expected {expected!r}")
