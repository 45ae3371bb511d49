"""The project's own stages."""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

from q2pt_tasks.data.schema import Locales
from q2pt_tasks.layout import Layout
from q2pt_tasks.params import read_section


def _stage(name: str) -> Callable[[Path], None]:
    def run(folder: Path) -> None:
        import_module(f"q2pt_tasks.stages.{name}").main(Layout(folder))

    return run


def _read_truth(folder: Path) -> None:
    """What `evaluate` reads of the splits before it scores anything."""
    from q2pt_tasks.model.dimensions import query_dimensions, support_dimension
    from q2pt_tasks.model.truth import read_truth

    layout = Layout(folder)
    truth = read_truth(layout, read_section(layout.params, "locales", Locales))
    train = truth.tables["train"]
    support_dimension(truth.types, train)
    query_dimensions(truth.tables["test"], train, [])


STAGES: Mapping[str, Callable[[Path], None]] = {
    **{name: _stage(name) for name in ("ingest", "validate", "label", "split", "tokenize")},
    "truth": _read_truth,
}
