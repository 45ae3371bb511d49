"""Where the encoder lies that a checkpoint was trained from, for one that holds only what changed against it."""

import hashlib
from functools import lru_cache
from pathlib import Path, PurePosixPath

from q2pt_tasks.inside import OutsideError, inside
from q2pt_tasks.layout import Layout
from q2pt_tasks.model.metadata import Base, CheckpointError
from q2pt_tasks.model.weights import WEIGHTS


def describe_base(encoder: Path) -> Base:
    """What a checkpoint says of the encoder in the folder `encoder`, which is `data/encoder` of a checkout."""
    return Base(path=(Layout().encoder / WEIGHTS).as_posix(), md5=_md5_of(encoder / WEIGHTS))


def find_base(checkpoint: Path, base: Base, encoder: Path | None = None) -> Path:
    """The weights of the encoder that the checkpoint needs: those in the folder `encoder` where it is given.

    Else they are at `base.path` in the nearest folder above the checkpoint that has that path: in a checkout its root,
    where a champion was fetched to its own folder.

    Raises:
        CheckpointError: there are none, or they are another encoder's.
    """
    try:
        inside(checkpoint, base.path)
    except OutsideError as error:
        raise CheckpointError(f"{checkpoint} names no encoder: {error}") from None
    file = _nearest(checkpoint, base) if encoder is None else encoder / PurePosixPath(base.path).name
    if not file.is_file():
        raise CheckpointError(f"{file} not found: give the folder of the encoder that {checkpoint} was trained from")
    found = _md5_of(file)
    if found != base.md5:
        raise CheckpointError(
            f"{checkpoint} was trained from an encoder whose weights have the MD5 {base.md5}, but {file} has {found}: "
            "check out the commit and the data that it comes from (`dvc checkout`), or give that encoder's folder"
        )
    return file


def _nearest(checkpoint: Path, base: Base) -> Path:
    for folder in checkpoint.resolve().parents:
        if (folder / base.path).is_file():
            return folder / base.path
    raise CheckpointError(
        f"{checkpoint} holds only what training changed, and no folder above it has the encoder's weights {base.path} "
        f"(MD5 {base.md5}): bring them there (`dvc checkout {PurePosixPath(base.path).parent}`), or give their folder"
    )


def _md5_of(file: Path) -> str:
    status = file.stat()
    return _md5_of_state(file.resolve(), status.st_ino, status.st_size, status.st_mtime_ns)


# Twenty models of one encoder are loaded after each other, and its file takes a second to read.
@lru_cache(maxsize=8)
def _md5_of_state(file: Path, inode: int, size: int, mtime_ns: int) -> str:  # noqa: ARG001 - the key of the cache
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
