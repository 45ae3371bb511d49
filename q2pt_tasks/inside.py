"""Names of files that come from elsewhere, joined to a folder that they cannot leave."""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, NoReturn

from pydantic import Field, TypeAdapter, ValidationError

from q2pt_tasks.plain_text import show_text


class OutsideError(ValueError):
    """A name would lead out of the folder that it belongs to."""


class StrangeFileError(ValueError):
    """A folder holds what is not read."""


class ListingError(ValueError):
    """A directory's object in a DVC store does not list files of that directory."""


@dataclass(frozen=True)
class _Listed:
    relpath: str
    md5: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


_LISTING = TypeAdapter(list[_Listed])


def inside(folder: Path, name: str) -> Path:
    """The file `name`, a path with `/` between its parts, below `folder`.

    Raises:
        OutsideError: it is absolute, empty or no file's, or goes up.
    """
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\0" in name:
        raise OutsideError(f"{name!r} does not lie in the folder {folder}: give a path from there, without '..'")
    return folder.joinpath(*parts)


def files_below(folder: Path) -> Iterator[Path]:
    """The files below `folder`, without hidden ones and markers such as `_SUCCESS`.

    They come one by one: a folder named by mistake, such as /, is not searched to its end before somebody looks at the
    first file. Who may put files into the folder must not have others read in their place, nor anybody wait for a pipe.

    Raises:
        StrangeFileError: a folder may not be read, or a path is a link to elsewhere or neither a file nor a folder, or
            vanishes meanwhile.
    """
    for parent, folders, names in os.walk(folder, onerror=_refuse_unreadable):
        folders[:] = _shown(folders)
        files = [Path(parent) / name for name in _shown(names)]
        _check_real(folder, [*(Path(parent) / name for name in folders), *files])
        yield from files


def _shown(names: list[str]) -> list[str]:
    return sorted(name for name in names if not name.startswith((".", "_")))


def _refuse_unreadable(error: OSError) -> NoReturn:
    shown = show_text(str(error.filename))
    raise StrangeFileError(f"{shown} cannot be read ({error.strerror}): correct its rights, or name another")


def _check_real(folder: Path, below: Iterable[Path]) -> None:
    top = os.path.realpath(folder)
    for path in below:
        try:
            strange = _strangeness(top, path)
        except FileNotFoundError:
            raise StrangeFileError(f"{show_text(str(path))} vanished while it was looked for: run this again") from None
        except OSError as error:  # a folder may be listed, but not entered
            _refuse_unreadable(error)
        if strange:
            raise StrangeFileError(f"{show_text(str(path))} is {strange}: put the files themselves there")


def _strangeness(top: str, path: Path) -> str:
    """Why a path below `top` is not read; empty where it is."""
    mode = path.lstat().st_mode
    if not stat.S_ISLNK(mode):
        return "" if stat.S_ISDIR(mode) or stat.S_ISREG(mode) else "neither a file nor a folder"
    if path.is_dir():
        return "a symbolic link to a folder, which is not followed"
    if not Path(os.path.realpath(path)).is_relative_to(top):
        return "a symbolic link to a file elsewhere, which is not followed"
    if not path.exists():
        return "a symbolic link to nothing"
    return "" if path.is_file() else "neither a file nor a folder"


def read_listing(text: str) -> Mapping[str, str]:
    """The MD5 of every file of a directory, by its path from there, as DVC's object of the directory lists them.

    Raises:
        ListingError: it lists something else, a file twice, or one that does not lie in the directory.
    """
    try:
        files = _LISTING.validate_json(text)
        for file in files:
            inside(Path(), file.relpath)
    except ValidationError as error:
        raise ListingError(f"it is no list of files with relpath and md5: {error.errors()[0]['msg']}") from None
    except OutsideError as error:
        raise ListingError(str(error)) from None
    listed = {file.relpath: file.md5 for file in files}
    if len(listed) < len(files):
        raise ListingError("it lists a file twice")
    return listed
