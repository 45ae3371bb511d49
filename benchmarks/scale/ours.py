"""The project's own stages."""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

from q2pt_tasks.layout import Layout


def _stage(name: str) -> Callable[[Path], None]:
    def run(folder: Path) -> None:
        import_module(f"q2pt_tasks.stages.{name}").main(Layout(folder))

    return run


STAGES: Mapping[str, Callable[[Path], None]] = {name: _stage(name) for name in ("ingest", "validate", "label", "split")}
