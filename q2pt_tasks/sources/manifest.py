"""What lies outside the repository, written down before the graph runs, so that the graph is a pure function of it.

`q2pt resolve` writes the manifest, it is committed with the run, and `ingest` depends on it: new and late data change
the manifest, and so does a new version of a lake house's table, even if its rows are the same.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from q2pt_tasks.threads import side_by_side

RESOLVE_AGAIN = "run `q2pt resolve` again"


class SourceError(ValueError):
    """A source of events, or a file that describes it, cannot be used as it is."""


@dataclass(frozen=True)
class SourceFile:
    """A file as it was when it was resolved: its path below the repository's root or absolute, bytes, hex MD5."""

    path: str
    size: Annotated[int, Field(ge=0)]
    md5: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class SourceManifest:
    """What lies outside.

    Attributes:
        source: its name in the params.
        last_day: of the window.
        files: ordered by path.
        versions: of the tables of a lake house, as they were read.
    """

    source: str
    last_day: date
    files: tuple[SourceFile, ...]
    versions: Mapping[str, int] = field(default_factory=dict)

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Window:
    """The days that a run learns from, both ends included."""

    first_day: date
    last_day: date

    def __str__(self) -> str:
        return f"{self.first_day} to {self.last_day}"


def window(last_day: date, days: int) -> Window:
    """The `days` days that end with `last_day`."""
    return Window(last_day - timedelta(days=days - 1), last_day)


def window_file(raw: Path) -> Path:
    """Where `ingest` leaves the window for the stages that follow."""
    return raw / "window.json"


def write_window(days: Window, path: Path) -> None:
    """Writes the first and the last day as JSON."""
    write_json(asdict(days), path)


def write_manifest(manifest: SourceManifest, path: Path) -> None:
    """Writes the manifest as JSON."""
    write_json(asdict(manifest), path)


def read_manifest(path: Path) -> SourceManifest:
    """Reads what `write_manifest` wrote.

    Raises:
        SourceError: the file is missing or says something else.
    """
    try:
        return TypeAdapter(SourceManifest).validate_json(path.read_bytes(), strict=True)
    except FileNotFoundError:
        raise SourceError(f"{path} not found: run `q2pt resolve`") from None
    except ValidationError as error:
        raise SourceError(f"{path} is no manifest of a source: {problems_of(error)}; {RESOLVE_AGAIN}") from None


def write_json(content: object, path: Path) -> None:
    """Sorted, indented, with a trailing newline: equal content gives equal bytes and a readable diff."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, default=str)
    path.write_text(text + "\n", encoding="utf-8")


def locate(root: Path, path: str) -> Path:
    """A path as params and manifests give it: absolute, from home (`~`), or below the repository's `root`.

    Raises:
        SourceError: no file can have this name here, or nobody may look there.
    """
    try:
        located = root / Path(path).expanduser()
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            located.stat()
    except (OSError, RuntimeError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SourceError(f"{path[:80]!r} cannot be a path here ({reason}): correct it") from None
    return located


def describe_files(root: Path, place: str, files: Iterable[Path]) -> tuple[SourceFile, ...]:
    """The files that lie at or below `place`, ordered by path, which begins as `place` does, absolute or not.

    Raises:
        SourceError: one cannot be read.
    """
    base, located = Path(place).expanduser(), locate(root, place)

    def describe(file: Path) -> SourceFile:
        return SourceFile((base / file.relative_to(located)).as_posix(), *_size_and_md5(file))

    return tuple(sorted(side_by_side(describe, files), key=lambda file: file.path))


def verify_file(file: SourceFile, root: Path) -> Path:
    """Where `file` lies, after a look that its bytes are those of the manifest.

    Raises:
        SourceError: it is gone, cannot be read, or has changed since it was resolved.
    """
    path = locate(root, file.path)
    if not path.exists():
        raise SourceError(f"{path} is gone since it was resolved: put it back, or {RESOLVE_AGAIN}")
    size, md5 = _size_and_md5(path)
    if (size, md5) != (file.size, file.md5):
        raise SourceError(
            f"{path} has changed since it was resolved: {RESOLVE_AGAIN} "
            f"(found {size} bytes with MD5 {md5}, expected {file.size} bytes with MD5 {file.md5})"
        )
    return path


def verify_files(manifest: SourceManifest, root: Path) -> dict[Path, str]:
    """Where each file of `manifest` lies, and its hash, after the look that `verify_file` takes, at several at once.

    Raises:
        SourceError: as `verify_file` does, of the first such file.
    """
    paths = side_by_side(lambda file: verify_file(file, root), manifest.files)
    return {path: file.md5 for path, file in zip(paths, manifest.files, strict=True)}


def _size_and_md5(path: Path) -> tuple[int, str]:
    try:
        with path.open("rb") as stream:
            md5 = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
            return stream.tell(), md5
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror}): check that it exists and its rights") from error


def problems_of(error: ValidationError) -> str:
    """What is wrong in a manifest, key by key, on one line."""
    return "; ".join(_sentence(problem) for problem in error.errors(include_url=False))


def _sentence(problem: ErrorDetails) -> str:
    key = ".".join(map(str, problem["loc"])) or "the file"
    return f"{key}: {problem['msg']}, found {str(problem['input'])[:80]!r}"
