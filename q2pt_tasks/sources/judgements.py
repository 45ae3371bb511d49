"""The file of human judgements, which lies outside: written down before the graph runs, checked when it is read."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
from pydantic import ConfigDict, TypeAdapter, ValidationError

from q2pt_tasks.data.judgements import JUDGEMENTS
from q2pt_tasks.sources.events import ENDINGS, check_ending, read_batches
from q2pt_tasks.sources.manifest import (
    RESOLVE_AGAIN,
    SourceError,
    SourceFile,
    describe_files,
    locate,
    problems_of,
    verify_file,
    write_json,
)


@dataclass(frozen=True)
class JudgementsManifest:
    """The file of judgements as it was when it was resolved; None where the params name none."""

    file: SourceFile | None

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


def write_judgements_manifest(judgements: str | None, root: Path, path: Path) -> str:
    """Writes to `path` which file the judgements are, and returns a sentence about it.

    Raises:
        SourceError: there is no file, or one that is neither Parquet nor CSV.
    """
    if judgements is None:
        write_json(asdict(JudgementsManifest(None)), path)
        return "No judgements."
    located = locate(root, judgements)
    if not located.is_file():
        found = "is a folder" if located.is_dir() else "does not exist"
        raise SourceError(f"{located} {found}: evaluate.judgements must name one file ({', '.join(ENDINGS)}), or null")
    check_ending(located)
    (file,) = describe_files(root, judgements, [located])
    write_json(asdict(JudgementsManifest(file)), path)
    return f"Judgements {file.path}, {file.size:,} bytes."


def read_judged_rows(judgements: str | None, root: Path, manifest: Path) -> pa.Table | None:
    """The rows of the file `judgements`, schema `JUDGEMENTS`, as they are; None where the params name no file.

    In CSV, and where a Parquet file has text, the product types of a query stand in one cell, separated by `|`.

    Raises:
        SourceError: it is not the file that was resolved, has changed since, is broken, or lacks a column.
    """
    resolved = _read_manifest(manifest).file
    if (resolved is None) != (judgements is None) or (resolved and judgements and not _same(resolved, judgements)):
        found = resolved.path if resolved else "none"
        raise SourceError(f"evaluate.judgements is {judgements or 'null'}, but {found} was resolved: {RESOLVE_AGAIN}")
    if resolved is None:
        return None
    file = verify_file(resolved, root)
    return pa.concat_tables([JUDGEMENTS.empty_table(), *read_batches(file, JUDGEMENTS)])


def _same(file: SourceFile, path: str) -> bool:
    return Path(file.path) == Path(path).expanduser()


def _read_manifest(path: Path) -> JudgementsManifest:
    try:
        return TypeAdapter(JudgementsManifest).validate_json(path.read_bytes(), strict=True)
    except FileNotFoundError:
        raise SourceError(f"{path} not found: run `q2pt resolve`") from None
    except ValidationError as error:
        raise SourceError(f"{path} names no judgements: {problems_of(error)}; {RESOLVE_AGAIN}") from None
