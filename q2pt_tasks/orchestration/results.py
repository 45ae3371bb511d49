"""Results of DVC's run-cache, what an earlier run of a command made: who writes to the remote can write them too."""

import logging
from collections.abc import Collection
from pathlib import Path
from typing import Annotated

from dvc.exceptions import DvcException
from dvc.utils.serialize import load_yaml
from pydantic import BaseModel, Field, TypeAdapter

from q2pt_tasks.orchestration.store import Out

_log = logging.getLogger(__name__)


class _Out(BaseModel):
    path: str
    md5: Annotated[str, Field(pattern=r"^[0-9a-f]{32}(\.dir)?$")]


_OUTS = TypeAdapter(list[_Out])


def outs_of(result: Path) -> list[Out]:
    """The outputs that a result names; none where it is no result of DVC's."""
    try:
        document = load_yaml(str(result))
        outs: list[Out] = document["outs"]
        _OUTS.validate_python(outs)
    except (DvcException, ValueError, KeyError, TypeError, RecursionError):
        return []
    return outs


def drop_others(folder: Path, paths: Collection[str]) -> None:
    """Removes the results in `folder` that name other outputs than `paths`.

    DVC would check out whatever a result names, in place of the clone's own code too.
    """
    if not folder.is_dir():
        return
    for result in folder.iterdir():
        if sorted(out["path"] for out in outs_of(result)) != sorted(paths):
            _log.warning("An earlier result of this stage is damaged and is not restored: %s", result)
            result.unlink()
    if not any(folder.iterdir()):
        folder.rmdir()
