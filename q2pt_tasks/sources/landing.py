"""The folder where `resolve` leaves what it fetched, for `ingest` to read, tonight and in a run that is repeated.

A file's name begins with what identifies its content and is never written again with another one; what no night has
used for a week is removed: these files hold shoppers' queries.
"""

import contextlib
import re
import shutil
import time
from pathlib import Path

from q2pt_tasks.memo import FORGOTTEN_SECONDS
from q2pt_tasks.sources.manifest import SourceError, locate

# What the catalog's name is after its identity.
CATALOG_NAME = "catalog"
# Digits of what identifies a content.
IDENTITY = 32
_LANDED = re.compile(rf"[0-9a-f]{{{IDENTITY}}}-.+")
# Folders of what is not finished: who is killed leaves them.
UNFINISHED = ".landing-"


def landing_folder(root: Path, place: str) -> Path:
    """The folder, which is made where it is not there yet.

    Raises:
        SourceError: it cannot be made.
    """
    folder = locate(root, place)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SourceError(f"{folder} cannot be made ({error.strerror}): correct the param landing") from None
    return folder


def land_file(file: Path, target: Path) -> Path:
    """Moves a finished file to its name; one that is there already has the same content and is as new as this one."""
    file.touch()
    return file.replace(target)


def is_catalog(file: Path) -> bool:
    """Whether a landed file is the catalog."""
    return file.name[IDENTITY + 1 :].split(".")[0] == CATALOG_NAME


def sweep(folder: Path) -> None:
    """Removes landed files that no night has used for a week, what was not finished as long ago, and nothing else."""
    for path in folder.iterdir():
        # Another night may sweep at the same time.
        with contextlib.suppress(FileNotFoundError):
            if time.time() - path.lstat().st_mtime > FORGOTTEN_SECONDS:
                _remove(path)


def _remove(path: Path) -> None:
    if _LANDED.fullmatch(path.name):
        path.unlink()
    elif path.name.startswith(UNFINISHED):
        shutil.rmtree(path)
