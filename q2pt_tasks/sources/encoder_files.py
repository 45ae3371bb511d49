"""Which encoder a run uses, to the byte: the files of a folder, or the commit of a model on Hugging Face's hub."""

from dataclasses import asdict
from pathlib import Path

from q2pt_tasks.model.encoder import EncoderParams
from q2pt_tasks.sources.manifest import SourceError, SourceFile, describe_files, locate, write_json


def write_encoder_manifest(params: EncoderParams, root: Path, path: Path) -> str:
    """Writes what the encoder is to `path`: name, revision, and its files or its commit; returns a sentence about them.

    The files' paths are below the encoder's own folder, so that the manifest does not depend on where it lies.

    Raises:
        SourceError: the name is a path where no encoder lies, or a model that the hub does not have.
    """
    files = _encoder_files(params, root)
    is_on_hub = not params.is_scratch and not files
    commit = _hub_commit(params) if is_on_hub else None
    content = {
        "name": params.name,
        "revision": params.revision,
        "commit": commit,
        "files": [asdict(file) for file in files],
    }
    write_json(content, path)
    return f"Encoder {params.name}, " + (f"commit {commit[:12]}." if commit else f"{len(files)} local files.")


def _hub_commit(params: EncoderParams) -> str:
    from huggingface_hub import snapshot_download

    try:
        # The folder of a commit is named by it; a hub that cannot be reached is no matter where the model lies here.
        folder = snapshot_download(params.name, revision=params.revision, allow_patterns=["config.json"])
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise SourceError(
            f"encoder.name {params.name!r} (revision {params.revision!r}) cannot be had from Hugging Face's hub: "
            f"{reason} Give 'scratch', the name of a model that this machine can reach, or a folder that holds one."
        ) from error
    return Path(folder).name


def _encoder_files(params: EncoderParams, root: Path) -> tuple[SourceFile, ...]:
    if params.is_scratch:
        return ()
    folder = locate(root, params.name)
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
    if not (folder / "config.json").is_file():
        raise SourceError(
            f"{folder} holds no config.json, so it is no encoder that Hugging Face's transformers can load: "
            "correct encoder.name, or move the folder if a model on Hugging Face is meant"
        )
    inside = [path for path in folder.rglob("*") if path.is_file() and not _hidden(path.relative_to(folder))]
    return describe_files(folder, ".", inside)


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
