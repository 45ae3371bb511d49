"""The ways to train that the study `objectives` compares, and the recipes that they are tried in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from q2pt_tasks.model.variants import UNIFIED_AWARE
from q2pt_tasks.studies.study import Run
from q2pt_tasks.studies.taxonomy import taxonomy_changes

FACTORS = (0.5, 1.0, 2.0)
TEMPERATURE = 3.0
TOGETHER, ALONE = "train_unified", "train_non_unified"


@dataclass(frozen=True)
class Way:
    """One way to train. `levelled`: one model of all stores, drawn by `TEMPERATURE`."""

    name: str
    objective: str
    prior_bias: bool = True
    levelled: bool = False


PAPER = Way("cross-entropy of the paper", "binary_cross_entropy", prior_bias=False)
CROSS_ENTROPY = Way("cross-entropy from the priors", "binary_cross_entropy")
SOFTMAX = Way("softmax", "softmax")
SPARSEMAX = Way("sparsemax", "sparsemax")
LEVELLED = Way("cross-entropy from the priors with levelled stores", "binary_cross_entropy", levelled=True)
WAYS = (PAPER, CROSS_ENTROPY, SOFTMAX, SPARSEMAX, LEVELLED)


@dataclass(frozen=True)
class Recipe:
    """A recipe of `params.yaml`, for one model of all stores and for models of one, and the log that it is tried on.

    Attributes:
        rates: by section the learning rate whose multiples are tried.
        changes: what every run of it changes.
        own: the stores whose own models are trained, if any.
        small: the stores of few queries.
    """

    name: str
    rates: Mapping[str, float]
    changes: Mapping[str, Any]
    own: Sequence[str]
    small: Sequence[str]

    def run(self, way: Way, seed: int, *, searches: bool) -> Run:
        """One way with one seed: with all learning rates, of which training keeps the best, or with the chosen one."""
        own = () if way.levelled else tuple(self.own)
        sections = (TOGETHER, ALONE) if own else (TOGETHER,)
        temperature = TEMPERATURE if way.levelled else 1.0
        changes = {**self.changes, "seed": seed, "train_unified.locale_temperature": temperature}
        for section in sections:
            every = [factor * self.rates[section] for factor in FACTORS]
            changes |= {
                f"{section}.{self.name}.objective": way.objective,
                f"{section}.{self.name}.prior_bias": way.prior_bias,
                f"{section}.{self.name}.learning_rates": every if searches else chosen_rates(self, section, way.name),
            }
        return Run(f"{self.name}, {way.name}, seed {seed}", changes, unified=(UNIFIED_AWARE,), own=own)


SCRATCH = Recipe(
    name="scratch",
    rates={TOGETHER: 2e-3, ALONE: 2e-3},
    changes={
        "ingest.source": "synthetic",
        "locales": ["fr-FR", "nl-NL", "pl-PL", "sv-SE"],
        "train_unified.scratch.ngrams": None,
        "train_non_unified.scratch.ngrams": None,
    },
    own=("nl-NL",),
    small=("pl-PL", "sv-SE"),
)
PRETRAINED = Recipe(
    name="pretrained",
    # So few queries want larger steps, and more of them, than the whole taxonomy.
    rates={TOGETHER: 4e-4},
    changes={
        **taxonomy_changes(("en-US", "fr-FR", "pl-PL", "cs-CZ")),
        "train_unified.pretrained.max_epochs": 6,
        "split.keep_share": {"en-US": 0.4, "fr-FR": 0.25, "pl-PL": 0.08, "cs-CZ": 0.08},
        "encoder.keep_layers": 3,
    },
    own=(),
    small=("pl-PL", "cs-CZ"),
)
RECIPES = {recipe.name: recipe for recipe in (SCRATCH, PRETRAINED)}


def chosen_rates(recipe: Recipe, section: str, way: str) -> list[float]:
    """The rates that the models of the first seed's search chose; the recipe's where none has been written down."""
    document = YAML(typ="safe").load(Path(__file__).with_name("objectives.yaml").read_text(encoding="utf-8"))
    return list(document[recipe.name][section].get(way, [recipe.rates[section]]))
