"""Our models: the checkpoints of every seed of the study, with the n-gram models beside their encoders and without."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.quality.figures import Judged, judge
from q2pt_tasks.layout import Layout
from q2pt_tasks.model.lineup import variant_folders
from q2pt_tasks.model.metadata import load_metadata
from q2pt_tasks.model.prediction import Predictor
from q2pt_tasks.model.scorers import CheckpointScorer
from q2pt_tasks.model.truth import Truth
from q2pt_tasks.model.variants import NON_UNIFIED, UNIFIED_VARIANTS
from q2pt_tasks.stages.evaluate import EvaluateParams

OURS = (NON_UNIFIED, *UNIFIED_VARIANTS)

log = logging.getLogger(__name__)


def alone(variant: str) -> str:
    """The name of the variant's encoders without what lies beside them."""
    return f"{variant}, encoder alone"


@dataclass(frozen=True)
class Judge:
    """Who asks all of our models the same queries."""

    truth: Truth
    params: EvaluateParams
    variants: Sequence[str]

    def trainings(self, runs: Sequence[Layout]) -> dict[str, list[Judged]]:
        """By contestant each run's figures, at thresholds of its own: every variant, and its encoders alone."""
        found: dict[str, list[Judged]] = {}
        for layout in runs:
            for variant, folder_of in _folders(layout, self.variants).items():
                log.info("asking %s of %s", variant, layout.root)
                for name, load in ((variant, Predictor.load), (alone(variant), Predictor.load_encoder_alone)):
                    found.setdefault(name, []).append(self._judged(name, folder_of, load))
        return found

    def _judged(self, name: str, folder_of: Callable[[str], Path], load: Callable[[Path], Predictor]) -> Judged:
        scorer = CheckpointScorer(folder_of, self.truth.types, load)
        validation, test = (self.truth.scored(split, scorer) for split in ("validation", "test"))
        return judge(name, validation, test, self.params)


def weights_of(runs: Sequence[Layout], locales: Sequence[str], variants: Sequence[str]) -> Mapping[str, list[float]]:
    """By variant the weight of the n-gram model beside each of its trained models, 0 where there is none."""
    found: dict[str, list[float]] = {}
    for layout in runs:
        for variant, folder_of in _folders(layout, variants).items():
            for folder in dict.fromkeys(map(folder_of, locales)):
                metadata = load_metadata(folder)
                if metadata.status != "untrained":
                    found.setdefault(variant, []).append(metadata.ngrams.weight if metadata.ngrams else 0.0)
    return found


def _folders(layout: Layout, variants: Sequence[str]) -> dict[str, Callable[[str], Path]]:
    """Of each of `variants`, in the order of `OURS`, the checkpoint that serves a locale."""
    return {name: found for name, found in variant_folders(layout, UNIFIED_VARIANTS).items() if name in variants}
