"""What the encoder's files were when a run was resolved; `scratch` and the models of a hub have none."""

from dataclasses import asdict
from pathlib import Path

from q2pt_tasks.model.encoder import EncoderParams
from q2pt_tasks.sources.manifest import SourceError, SourceFile, describe_files, locate, write_json


def write_encoder_manifest(params: EncoderParams, root: Path, path: Path) -> str:
    """Writes name, revision and files of the encoder to `path`; returns a sentence about them.

    The files' paths are below the encoder's own folder, so that the manifest does not depend on where it lies.

    Raises:
        SourceError: the name is a path where no encoder lies.
    """
    files = _encoder_files(params, root)
    content = {"name": params.name, "revision": params.revision, "files": [asdict(file) for file in files]}
    write_json(content, path)
    return f"Encoder {params.name}, {len(files)} local files."


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
