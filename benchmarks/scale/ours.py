"""The project's own stages."""

import json
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


def _judge(folder: Path) -> None:
    """What a training asks of its validation queries after an epoch, and for its thresholds, with scores by chance."""
    import numpy as np
    import pyarrow.parquet as pq

    from q2pt_tasks.metrics.curves import pooled_curve
    from q2pt_tasks.metrics.thresholds import PRECISION, choose_thresholds
    from q2pt_tasks.model.examples import FloatMatrix, examples_from_tokens
    from q2pt_tasks.model.validation import Validation

    layout = Layout(folder)
    locales = read_section(layout.params, "locales", Locales)
    types = json.loads(layout.label_space(None).read_text(encoding="utf-8"))["product_types"]
    tokens = pq.ParquetFile(layout.unified_tokens() / "validation.parquet").read()
    validation = Validation(examples_from_tokens(tokens, types, locales), tuple(locales), tuple(types))
    random = np.random.default_rng(0)

    def scores(block: range) -> FloatMatrix:
        return random.random((len(block), len(types)), dtype=np.float32)

    scored = validation.scored(validation.store(scores))
    pooled_curve(scored).average_precision()
    choose_thresholds(scored, PRECISION)


STAGES: Mapping[str, Callable[[Path], None]] = {
    **{name: _stage(name) for name in ("ingest", "validate", "label", "split", "tokenize")},
    "truth": _read_truth,
    "judge": _judge,
}
