"""Who is compared: the models that were trained, the champion, the baselines."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from q2pt_tasks.layout import Layout
from q2pt_tasks.metrics.thresholds import Thresholds
from q2pt_tasks.model.card import card_of
from q2pt_tasks.model.champion import Champion, champion_folder
from q2pt_tasks.model.metadata import load_metadata
from q2pt_tasks.model.scorers import CheckpointScorer, Scorer
from q2pt_tasks.model.truth import Truth
from q2pt_tasks.model.variants import NON_UNIFIED, UNIFIED_VARIANTS

CHAMPION = "champion"


class StrayModelError(ValueError):
    """`models/` holds a model of a locale or variant that the params do not name, or lacks one that they do."""


def check_models(layout: Layout, locales: Sequence[str], variants: Sequence[str]) -> None:
    """A locale that was removed leaves its model on a laptop's disk; it must not be counted, nor one be missing.

    Raises:
        StrayModelError: the trained models are not those of the params.
    """
    own = layout.non_unified_model("any").parent
    for folder, expected, what in ((own, set(locales), "locales"), (layout.models, {*variants, own.name}, "variants")):
        found = {path.name for path in folder.iterdir() if path.is_dir()} if folder.is_dir() else set()
        if found != expected:
            raise StrayModelError(
                f"{folder} holds models of {sorted(found)}, the params name the {what} {sorted(expected)}: "
                "delete what is too much, train what is missing (`dvc repro`)"
            )


def scorers(
    layout: Layout, truth: Truth, variants: Sequence[str], champion: Champion | None
) -> Iterator[tuple[str, Scorer]]:
    """One after the other, so that the models of only one variant are in memory."""
    # Slow to import; whoever reads the params alone does not need it.
    from q2pt_tasks.model.baselines import MajorityClass, TfidfPerLocale, TfidfUnified

    for variant, folder_of in variant_folders(layout, variants).items():
        yield variant, CheckpointScorer(folder_of, truth.types)
    if champion is not None:
        yield CHAMPION, CheckpointScorer(champion_folder(layout.root, champion), truth.types)
    train = truth.labeled("train")
    yield "majority", MajorityClass(train, truth.types)
    yield "tfidf_per_locale", TfidfPerLocale(train, truth.types)
    yield "tfidf_unified", TfidfUnified(train, truth.types)


def variant_folders(layout: Layout, variants: Sequence[str]) -> dict[str, Callable[[str], Path]]:
    """Of every trained variant the checkpoint that serves a locale."""
    unified = [variant for variant in UNIFIED_VARIANTS if variant in variants]
    return {NON_UNIFIED: layout.non_unified_model, **{name: _always(layout.unified_model(name)) for name in unified}}


def _always(folder: Path) -> Callable[[str], Path]:
    return lambda _: folder


def model_rows(layout: Layout, locales: Sequence[str], variants: Sequence[str]) -> list[dict[str, Any]]:
    """One entry per model: what training said of it."""
    return [
        _model_row(variant, locale, folder)
        for variant, folders in _folders(layout, locales, variants).items()
        for locale, folder in folders.items()
    ]


def variant_cards(
    layout: Layout, locales: Sequence[str], thresholds: Mapping[str, Thresholds]
) -> dict[str, dict[str, Any]]:
    """What the models of each trained variant are made of, at the thresholds that validation chose for it."""
    return {
        variant: asdict(card_of([load_metadata(folder) for folder in folders.values()], thresholds[variant]))
        for variant, folders in _folders(layout, locales, tuple(thresholds)).items()
    }


def _folders(layout: Layout, locales: Sequence[str], variants: Sequence[str]) -> dict[str, dict[str | None, Path]]:
    """The checkpoints of each variant by the locale that they serve, None for all."""
    own: dict[str | None, Path] = {locale: layout.non_unified_model(locale) for locale in locales}
    unified = {variant: layout.unified_model(variant) for variant in UNIFIED_VARIANTS if variant in variants}
    return {NON_UNIFIED: own, **{variant: {None: folder} for variant, folder in unified.items()}}


def _model_row(variant: str, locale: str | None, folder: Path) -> dict[str, Any]:
    metadata = load_metadata(folder)
    return {
        "variant": variant,
        "locale": locale,
        "status": metadata.status,
        "reason": metadata.reason,
        "training_rows": metadata.training_rows,
        "epochs": len(metadata.history),
        "seconds": metadata.seconds,
    }
