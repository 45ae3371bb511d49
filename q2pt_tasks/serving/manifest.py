"""What a folder of predictions is made from, and of which parts it consists, written down before the first part.

A part is a function of the model, its rows of one input file, and nothing else: not of the parts before it. So the
parts that are there need not be made again, and those that are missing come out as if the run had never stopped.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

SCHEMA_VERSION = 1
_CLOSED = ConfigDict(extra="forbid")
# As many as a person reads.
_SHOWN = 5

Count = Annotated[int, Field(ge=0)]
Md5 = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]


class ManifestError(ValueError):
    """A file is no manifest that this code reads."""


@dataclass(frozen=True)
class InputFile:
    """An input file: its path below the input folder, bytes, hex MD5, rows."""

    name: str
    size: Count
    md5: Md5
    rows: Count

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    def __str__(self) -> str:
        return f"{self.size} bytes with MD5 {self.md5}"


@dataclass(frozen=True)
class Part:
    """One output file: its name, and the rows of one input file that it answers, the first of a file being 0."""

    name: str
    file: str
    first_row: Count
    rows: Annotated[int, Field(gt=0)]

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    @property
    def end(self) -> int:
        """The row after its last."""
        return self.first_row + self.rows


@dataclass(frozen=True)
class Manifest:
    """One run of predictions.

    Attributes:
        checkpoint: MD5 over the names and contents of the checkpoint's files.
        part_rows: rows of a part; the last one of a file has fewer.
        files: the input, ordered by name.
        parts: the output, in the order of the input's rows.
    """

    checkpoint: Md5
    part_rows: Annotated[int, Field(gt=0)]
    files: tuple[InputFile, ...]
    parts: tuple[Part, ...]
    schema_version: int = SCHEMA_VERSION

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)


def plan(checkpoint: str, part_rows: int, files: Sequence[InputFile]) -> Manifest:
    """The run that asks a checkpoint about `files`, `part_rows` rows at a time."""
    pieces = [(file, first) for file in files for first in range(0, file.rows, part_rows)]
    parts = tuple(
        Part(f"part-{number:05}.parquet", file.name, first, min(part_rows, file.rows - first))
        for number, (file, first) in enumerate(pieces)
    )
    return Manifest(checkpoint, part_rows, tuple(files), parts)


def to_json(manifest: Manifest) -> str:
    return json.dumps(asdict(manifest), indent=1, ensure_ascii=False) + "\n"


def from_json(text: str) -> Manifest:
    """What `to_json` was given.

    Raises:
        ManifestError: `text` says something else, or stems from another version of this code.
    """
    try:
        document = json.loads(text)
        version = document.get("schema_version") if isinstance(document, dict) else None
        if version != SCHEMA_VERSION:
            raise ManifestError(f"it has the schema version {version!r}, this code reads {SCHEMA_VERSION}")
        return TypeAdapter(Manifest).validate_json(text, strict=True)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        raise ManifestError(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}") from None
    except json.JSONDecodeError as error:
        raise ManifestError(f"it is not readable JSON: {error}") from None


def differences(begun: Manifest, asked: Manifest) -> list[str]:
    """What keeps a folder that was begun with one run from being finished by another; empty where nothing does."""
    found = [*_other_settings(begun, asked), *_other_files(begun, asked)]
    if not found and begun != asked:
        return ["the folder's list of parts is not the one that follows from its input"]
    return [*found[:_SHOWN], f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else found


def _other_settings(begun: Manifest, asked: Manifest) -> Iterator[str]:
    if begun.checkpoint != asked.checkpoint:
        yield f"the model has the hash {asked.checkpoint}, that of the folder {begun.checkpoint}"
    if begun.part_rows != asked.part_rows:
        yield f"--part-rows is {asked.part_rows}, that of the folder {begun.part_rows}"


def _other_files(begun: Manifest, asked: Manifest) -> Iterator[str]:
    before, now = ({file.name: file for file in manifest.files} for manifest in (begun, asked))
    for name in sorted(set(before) | set(now)):
        if name not in now:
            yield f"the input file {name} is gone"
        elif name not in before:
            yield f"the input file {name} is new"
        elif before[name] != now[name]:
            yield f"the input file {name} has {now[name]}, that of the folder {before[name]}"
