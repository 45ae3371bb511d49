"""The night after: a day is added to a window of which an earlier night has computed the rest."""

import datetime
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.scale.contestants import STAGES
from benchmarks.scale.log import LAST_DAY
from benchmarks.scale.measuring import Measured, run_stage
from q2pt_tasks.layout import Layout, day_file
from q2pt_tasks.memo import PLACE
from q2pt_tasks.params_edit import edit_params
from q2pt_tasks.sources.resolve import resolve

# What the stages leave.
_OUTPUTS = ("raw", "valid", "quarantine", "labeled", "splits")


class OtherBytesError(AssertionError):
    """What earlier nights computed changed the result."""


def measure_night(whole: Path, folder: Path) -> Mapping[str, Measured]:
    """q2pt's stages on the log of `whole` with its newest day, the others having been computed the night before.

    Args:
        whole: where q2pt has worked on all days without remembering anything.
        folder: to work in; it is removed.

    Raises:
        OtherBytesError: the files differ from those in `whole`.
    """
    shutil.copytree(whole, folder / "shop", ignore=shutil.ignore_patterns("data"), copy_function=_link)
    layout = Layout(folder / "shop")
    newest = layout.root / "log" / day_file(Path(), LAST_DAY).name
    aside = newest.rename(folder / newest.name)
    with _remembered_below(folder / "state"):
        _run_night(layout, LAST_DAY - datetime.timedelta(days=1))
        aside.rename(newest)
        measured = _run_night(layout, LAST_DAY)
    _check_same(Layout(whole).root / "data", layout.root / "data")
    shutil.rmtree(folder)
    return measured


def _run_night(layout: Layout, last_day: datetime.date) -> Mapping[str, Measured]:
    edit_params(layout.params, {"ingest.last_day": str(last_day)})
    resolve(layout, today=last_day + datetime.timedelta(days=1))
    return {stage: run_stage("q2pt", stage, layout.root) for stage in STAGES}


@contextmanager
def _remembered_below(state: Path) -> Iterator[None]:
    os.environ[PLACE] = str(state.absolute())
    try:
        yield
    finally:
        del os.environ[PLACE]


def _check_same(whole: Path, own: Path) -> None:
    for output in _OUTPUTS:
        names = {file.relative_to(whole) for file in (whole / output).rglob("*") if file.is_file()}
        found = {file.relative_to(own) for file in (own / output).rglob("*") if file.is_file()}
        if names != found:
            raise OtherBytesError(f"{output}: only one of two nights has {sorted(names ^ found)[0]}")
        for name in sorted(names):
            if (whole / name).read_bytes() != (own / name).read_bytes():
                raise OtherBytesError(f"{name} has other bytes where earlier nights were remembered")


def _link(source: str, target: str) -> None:
    """Params are written anew, never into."""
    if Path(source).name == "params.yaml":
        shutil.copy(source, target)
    else:
        Path(target).hardlink_to(source)
