"""Which encoder a run uses, to the byte: the files of a folder, or the commit of a model on Hugging Face's hub."""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from q2pt_tasks.layout import Layout
from q2pt_tasks.model.encoder import NOTE, SCRATCH, EncoderNotResolvedError, EncoderParams, ResolvedEncoder
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

_CONFIG = "config.json"
# What `transformers` needs of a model and its tokenizer without running code that came with it: no pickle, no Python.
_READ = ("*.json", "model*.safetensors", "*.txt", "*.model")
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")


@dataclass(frozen=True)
class EncoderManifest:
    """An encoder as it was resolved.

    Attributes:
        name: as in the params.
        revision: as in the params.
        commit: that of a model on a hub, else None.
        files: those of a model in a folder, their paths below it: the manifest does not depend on where it lies.
    """

    name: str
    revision: str
    commit: str | None
    files: tuple[SourceFile, ...]

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    @property
    def resolved(self) -> ResolvedEncoder:
        return ResolvedEncoder(self.name, self.revision, self.commit)


def write_encoder_manifest(params: EncoderParams, root: Path, path: Path) -> str:
    """Writes what the encoder is to `path`, and returns a sentence about it.

    Raises:
        SourceError: the name is a path where no encoder lies, or a model that the hub does not have.
    """
    files = _encoder_files(params, root)
    is_on_hub = not params.is_scratch and not files
    commit = _snapshot(params.name, params.revision, [_CONFIG]).name if is_on_hub else None
    write_json(asdict(EncoderManifest(params.name, params.revision, commit, files)), path)
    return f"Encoder {params.name}, " + (f"commit {commit[:12]}." if commit else f"{len(files)} local files.")


def read_encoder_manifest(path: Path) -> EncoderManifest:
    """Reads what `write_encoder_manifest` wrote.

    Raises:
        EncoderNotResolvedError: the file is missing or says something else.
    """
    try:
        return TypeAdapter(EncoderManifest).validate_json(path.read_bytes(), strict=True)
    except FileNotFoundError:
        raise EncoderNotResolvedError(f"{path} not found: run `q2pt resolve`") from None
    except ValidationError as error:
        problems = problems_of(error)
        raise EncoderNotResolvedError(f"{path} does not say what was resolved: {problems}; {RESOLVE_AGAIN}") from None


def find_encoder(manifest: EncoderManifest, root: Path) -> tuple[Path, ...]:
    """The files of the resolved encoder that are read later: config, weights, tokenizer; none for `scratch`.

    A model of the hub is fetched where this machine does not have it.

    Raises:
        SourceError: a file is gone, has changed since it was resolved or cannot be had; or there are no safetensors.
    """
    if manifest.name == SCRATCH:
        return ()
    if manifest.commit:
        folder = _snapshot(manifest.name, manifest.commit, _READ)
        files = sorted(path for path in folder.iterdir() if path.is_file() and _is_read(path.name))
    else:
        folder = locate(root, manifest.name)
        files = [verify_file(file, folder) for file in manifest.files if _is_read(file.path)]
    _check_complete(manifest, {path.name for path in files}, folder)
    return tuple(files)


def copy_encoder(files: Iterable[Path], resolved: ResolvedEncoder, folder: Path) -> None:
    """Puts `files` into `folder`, in place of what was there, and last a note which encoder they are."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in files:
        shutil.copyfile(file, folder / file.name)
    write_json(asdict(resolved), folder / NOTE)


def _is_read(path: str) -> bool:
    return "/" not in path and any(fnmatch(path, pattern) for pattern in _READ)


def _check_complete(manifest: EncoderManifest, names: set[str], folder: Path) -> None:
    if _CONFIG in names and names & set(_WEIGHTS):
        return
    missing = " or ".join(_WEIGHTS) if _CONFIG in names else _CONFIG
    found = sorted(path.name for path in folder.glob("*"))
    raise SourceError(
        f"the encoder {manifest.name!r} has no {missing}; found {', '.join(found) or 'nothing'}. Weights in other "
        "formats are not read, a pickle may run any code: save the model with `transformers` "
        "(`model.save_pretrained(folder)` writes safetensors) and name that folder, or choose another encoder "
        "(encoder.name)"
    )


def _snapshot(name: str, revision: str, patterns: Sequence[str]) -> Path:
    """The folder of a model of the hub, named by its commit, with at least its files that match `patterns`."""
    from huggingface_hub import snapshot_download

    try:
        # A hub that cannot be reached is no matter where the model lies here.
        return Path(snapshot_download(name, revision=revision, allow_patterns=list(patterns)))
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise SourceError(
            f"encoder.name {name!r} (revision {revision!r}) cannot be had from Hugging Face's hub: "
            f"{reason} Give 'scratch', the name of a model that this machine can reach, or a folder that holds one."
        ) from error


def _encoder_files(params: EncoderParams, root: Path) -> tuple[SourceFile, ...]:
    if params.is_scratch:
        return ()
    folder, own = locate(root, params.name), Layout(root).encoder
    if folder.resolve().is_relative_to(own.resolve()):
        raise SourceError(
            f"encoder.name is the path {params.name!r}, in which the stage encoder puts its copy and removes what else "
            "is there: move the model elsewhere, and name that folder"
        )
    if folder.is_dir():
        return _folder_files(folder)
    if params.is_path:
        found = "a file" if folder.exists() else "nothing"
        raise SourceError(
            f"encoder.name is the path {params.name!r}, but {folder} is {found}: give the folder of a model, "
            "the name of a model on Hugging Face, or scratch"
        )
    return ()


def _folder_files(folder: Path) -> tuple[SourceFile, ...]:
    if not (folder / _CONFIG).is_file():
        raise SourceError(
            f"{folder} holds no config.json, so it is no encoder that Hugging Face's transformers can load: "
            "correct encoder.name, or move the folder if a model on Hugging Face is meant"
        )
    inside = [path for path in folder.rglob("*") if path.is_file() and not _hidden(path.relative_to(folder))]
    return describe_files(folder, ".", inside)


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
