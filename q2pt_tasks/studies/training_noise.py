"""What another seed of training alone changes: the gate's margin must be at least twice that."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from q2pt_tasks.data.schema import Locales
from q2pt_tasks.layout import Layout
from q2pt_tasks.metrics.measurements import ALL_LOCALES, measure
from q2pt_tasks.metrics.thresholds import PRECISION, choose_thresholds
from q2pt_tasks.model.score_stream import ScoreStream
from q2pt_tasks.model.scorers import CheckpointScorer
from q2pt_tasks.model.truth import read_truth
from q2pt_tasks.model.variants import Variants
from q2pt_tasks.params import read_section
from q2pt_tasks.stages.evaluate import EvaluateParams
from q2pt_tasks.studies.machine import describe_machine
from q2pt_tasks.studies.pages import code, table
from q2pt_tasks.studies.workspace import prepare_workspace

NAME = "training_noise"
PAGE = Path("docs/results/training-noise.md")
METRICS = ("micro_recall", "macro_recall")

# Per variant and metric the value on test over all locales, a seed each.
Figures = Mapping[tuple[str, str], Sequence[float]]


def study(root: Path, seeds: Sequence[int]) -> Path:
    """Trains the unified variants once per seed, on the same log, and writes the page of results.

    Raises:
        ValueError: there are fewer than two seeds.
    """
    if len(seeds) < 2:
        raise ValueError(f"a standard deviation needs two seeds or more, found {list(seeds)}")
    figures: dict[tuple[str, str], list[float]] = {}
    for seed in seeds:
        workspace = prepare_workspace(root, f"{NAME}/{seed}", {"seed": seed})
        workspace.run_pipeline(["train_unified"])
        for key, value in read_figures(workspace.layout).items():
            figures.setdefault(key, []).append(value)
    target = root / PAGE
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page(seeds, figures), encoding="utf-8")
    return target


def read_figures(layout: Layout) -> dict[tuple[str, str], float]:
    """Per unified variant and metric the value on test, at validation's thresholds."""
    params = read_section(layout.params, "evaluate", EvaluateParams)
    locales = read_section(layout.params, "locales", Locales)
    truth = read_truth(layout, locales)
    figures: dict[tuple[str, str], float] = {}
    for variant in read_section(layout.params, "variants", Variants):
        folder = layout.unified_model(variant)
        scorer = CheckpointScorer(lambda _, folder=folder: folder, truth.types)  # type: ignore[misc]
        with ScoreStream(truth, "validation", scorer) as validation:
            thresholds = choose_thresholds(validation, PRECISION, params.min_positives)
        with ScoreStream(truth, "test", scorer) as test:
            found = measure(test, thresholds, PRECISION, params.min_support).measurements
        for one in found:
            if one.locale == ALL_LOCALES and one.metric in METRICS:
                figures[variant, one.metric] = one.value or 0.0
    return figures


def page(seeds: Sequence[int], figures: Figures) -> str:
    """The page, in Markdown."""
    noise = {key: float(np.std(values, ddof=1)) for key, values in figures.items()}
    largest = max(value for (_, metric), value in noise.items() if metric == METRICS[0])
    rows = [
        [variant, metric.replace("_", " "), *values, f"{noise[variant, metric]:.4f}"]
        for (variant, metric), values in figures.items()
    ]
    header = ["variant", "metric", *(f"seed {seed}" for seed in seeds), "standard deviation"]
    return (
        "\n\n".join(
            [
                "# Training noise",
                "The same log and the same params, trainings that differ in their seed alone. Recall at precision 0.8 "
                "on test over all locales, at thresholds chosen on validation.",
                code(f"q2pt study {NAME} --seeds {' '.join(map(str, seeds))}"),
                f"{describe_machine()}.",
                table(header, rows),
                f"`gate.training_noise` for micro recall: {largest:.4f} or more; `gate.margin`: at least twice that.",
            ]
        )
        + "\n"
    )
