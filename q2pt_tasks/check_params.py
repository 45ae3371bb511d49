"""Reads every section of `params.yaml` before a run, so that a slip in a late stage's section costs no night."""

from collections.abc import Mapping
from typing import Any

from q2pt_tasks.data.privacy import PrivacyParams
from q2pt_tasks.data.schema import Locales
from q2pt_tasks.engine.params import EngineParams
from q2pt_tasks.layout import Layout
from q2pt_tasks.model.encoder import EncoderParams
from q2pt_tasks.model.recipe import Training
from q2pt_tasks.model.variants import Variants
from q2pt_tasks.params import Seed, read_section
from q2pt_tasks.registry.retention import RetentionParams
from q2pt_tasks.stages.evaluate import EvaluateParams
from q2pt_tasks.stages.gate import GateParams
from q2pt_tasks.stages.ingest import IngestParams
from q2pt_tasks.stages.label import LabelParams
from q2pt_tasks.stages.report import ReportParams
from q2pt_tasks.stages.split import SplitParams
from q2pt_tasks.stages.tokenize import TokenizeParams
from q2pt_tasks.stages.train_non_unified import TrainNonUnifiedParams
from q2pt_tasks.stages.train_unified import TrainUnifiedParams
from q2pt_tasks.stages.validate import ValidateParams

# Every section and the class that reads it.
SECTIONS: Mapping[str, Any] = {
    "seed": Seed,
    "training": Training,
    "locales": Locales,
    "variants": Variants,
    "engine": EngineParams,
    "privacy": PrivacyParams,
    "encoder": EncoderParams,
    "ingest": IngestParams,
    "validate": ValidateParams,
    "label": LabelParams,
    "split": SplitParams,
    "tokenize": TokenizeParams,
    "train_unified": TrainUnifiedParams,
    "train_non_unified": TrainNonUnifiedParams,
    "evaluate": EvaluateParams,
    "gate": GateParams,
    "report": ReportParams,
    "retention": RetentionParams,
}


def check_params(layout: Layout) -> None:
    """Reads all of them.

    Raises:
        ParamsError: a section is missing, or a key is unknown, missing, mistyped or out of range.
    """
    for name, kind in SECTIONS.items():
        read_section(layout.params, name, kind)
