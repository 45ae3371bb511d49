"""The night after: a day is added to a window of which an earlier night has computed the rest."""

import datetime
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.scale.contestants import STAGES
from benchmarks.scale.equality import check_same_bytes
from benchmarks.scale.log import LAST_DAY
from benchmarks.scale.measuring import Measured, run_stage
from benchmarks.scale.steps import Steps
from q2pt_tasks.layout import Layout, day_file
from q2pt_tasks.memo import PLACE
from q2pt_tasks.params_edit import edit_params
from q2pt_tasks.sources.resolve import resolve


@dataclass(frozen=True)
class Nights:
    """q2pt's stages in two nights that remember days, per stage.

    Attributes:
        first: all days but the newest, nothing being remembered yet.
        added: with the newest.
    """

    first: Mapping[str, Measured]
    added: Mapping[str, Measured]


def measure_nights(whole: Path, folder: Path, steps: Steps) -> Nights:
    """q2pt's stages on the log of `whole` without its newest day, and then with it.

    Args:
        whole: where q2pt has worked on all days without remembering anything.
        folder: to work in; it is removed.
        steps: what earlier pieces of the benchmark found.

    Raises:
        OtherBytesError: the files differ from those in `whole`.
    """
    layout = Layout(folder / "shop")
    newest = Path("log") / day_file(Path(), LAST_DAY).name
    with _remembered_below(folder / "state"):
        steps.once("evening shop", None, lambda: _copy_shop(whole, layout.root, newest.name))
        steps.once("evening resolve", None, lambda: _resolve(layout, LAST_DAY - datetime.timedelta(days=1)))
        first = _run_stages(layout, "evening", steps)
        steps.once("night day", None, lambda: _link(str(whole / newest), str(layout.root / newest)))
        steps.once("night resolve", None, lambda: _resolve(layout, LAST_DAY))
        added = _run_stages(layout, "night", steps)
    steps.once("night is the same", None, lambda: _check_same(whole, layout.root))
    shutil.rmtree(folder, ignore_errors=True)
    return Nights(first, added)


def _copy_shop(whole: Path, shop: Path, newest: str) -> None:
    shutil.rmtree(shop.parent, ignore_errors=True)
    shutil.copytree(whole, shop, ignore=shutil.ignore_patterns("data", newest), copy_function=_link)


def _resolve(layout: Layout, last_day: datetime.date) -> None:
    edit_params(layout.params, {"ingest.last_day": str(last_day)})
    resolve(layout, today=last_day + datetime.timedelta(days=1))


def _run_stages(layout: Layout, when: str, steps: Steps) -> Mapping[str, Measured]:
    def run(stage: str) -> Measured:
        return steps.once(f"{when} {stage}", Measured, lambda: run_stage("q2pt", stage, layout.root))

    return {stage: run(stage) for stage in STAGES}


@contextmanager
def _remembered_below(state: Path) -> Iterator[None]:
    os.environ[PLACE] = str(state.absolute())
    try:
        yield
    finally:
        del os.environ[PLACE]


def _check_same(whole: Path, own: Path) -> None:
    check_same_bytes(whole, own, "where earlier nights were remembered")


def _link(source: str, target: str) -> None:
    """Params are written anew, never into."""
    if Path(source).name == "params.yaml":
        shutil.copy(source, target)
    else:
        Path(target).hardlink_to(source)
