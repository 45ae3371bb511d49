"""Figures as every study of the runner measures them, all of them equal: enough for its page to be made."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from q2pt_tasks.metrics.measurements import ALL_LOCALES
from q2pt_tasks.model.variants import UNIFIED_VARIANTS
from q2pt_tasks.studies import (
    assortment,
    cold_start,
    encoders,
    head,
    label_noise,
    locale_pairs,
    objectives,
    training_size,
)
from q2pt_tasks.studies.divergence import KINDS
from q2pt_tasks.studies.measuring import METRICS
from q2pt_tasks.studies.small_shop import SMALL
from q2pt_tasks.studies.study import Figures
from q2pt_tasks.studies.ways_to_train import RECIPES

SHARE = 0.5


def stores_at(stores: Iterable[str], value: float = SHARE) -> dict[str, dict[str, float]]:
    return {store: dict.fromkeys(METRICS, value) for store in stores}


def _assortment() -> dict[str, Figures]:
    own = {"stores": stores_at((ALL_LOCALES, *SMALL)), "unsold": 0.1}
    variants = dict.fromkeys(UNIFIED_VARIANTS, own)
    return {
        name: {
            "sells": dict.fromkeys(SMALL, 100),
            "treatments": dict.fromkeys(treatments, variants),
        }
        for name, treatments in (
            ("plain", (assortment.NOTHING, assortment.AT_PREDICTION)),
            ("masked", (assortment.IN_LOSS,)),
        )
    }


def _cold_start() -> dict[str, Figures]:
    last = {name: stores_at(cold_start.NEW) for name in cold_start.SERIES}
    first = {name: own for name, own in last.items() if name != "non_unified"}
    return {f"{size} queries": last if size else first for size in cold_start.SIZES}


def _encoders() -> dict[str, Figures]:
    own = stores_at((ALL_LOCALES, *encoders.SMALL))
    return {
        f"{name} seed 1": {"level": name, "seconds": 10.0, "model": own, "linear": own} for name in encoders.ENCODERS
    }


def _head() -> dict[str, Figures]:
    return {f"{name} seed 1": {"level": name, **dict.fromkeys(METRICS, SHARE)} for name in head.HEADS}


def _label_noise() -> dict[str, Figures]:
    own = dict.fromkeys(METRICS, SHARE)
    return {
        f"{share} seed 1": {"level": share, **dict.fromkeys(label_noise.EVERY, own)} for share in label_noise.SHARES
    }


def _locale_pairs() -> dict[str, Figures]:
    knows = {"n": 1, **dict.fromkeys(locale_pairs.VARIANTS, SHARE)}
    at = dict.fromkeys(locale_pairs.PLACES, (SHARE, SHARE))
    ranking = {"true": 2, "found": 1, "at": at, "average_precision": SHARE}
    counts = dict.fromkeys(KINDS, 1)
    planted = {"rankings": dict.fromkeys(locale_pairs.RANKINGS, ranking), "kinds": counts, "knows": knows}
    found = {"counts": counts, "knows": dict.fromkeys(KINDS, knows), "shown": [], "planted": planted}
    return {"all": found}


def _objectives() -> dict[str, Figures]:
    figures: dict[str, Any] = {"rates": [1e-3], **dict.fromkeys(objectives.FIGURES, SHARE)}
    return {
        f"{recipe.name}, {way}": {
            "recipe": recipe.name,
            "way": way,
            "seed": "seed 1",
            "sections": dict.fromkeys(recipe.rates, figures),
        }
        for recipe in RECIPES.values()
        for way in objectives.NAMES
    }


def _training_size() -> dict[str, Figures]:
    own = dict.fromkeys(training_size.VARIANTS, stores_at(training_size.SMALL))
    return {f"{size} queries": {"level": size, **own} for size in training_size.SIZES}


RESULTS: Mapping[str, Callable[[], dict[str, Figures]]] = {
    "assortment": _assortment,
    "cold_start": _cold_start,
    "encoders": _encoders,
    "head": _head,
    "label_noise": _label_noise,
    "locale_pairs": _locale_pairs,
    "objectives": _objectives,
    "training_size": _training_size,
}
