"""`train_unified`: one model for all locales, with or without being told the locale."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from q2pt_tasks.data.schema import Locales
from q2pt_tasks.layout import Layout
from q2pt_tasks.model.encoder import EncoderParams, read_encoder
from q2pt_tasks.model.job import FitJob, FitReport
from q2pt_tasks.model.recipe import Recipes, Training
from q2pt_tasks.model.variants import UNIFIED_VARIANTS
from q2pt_tasks.params import Seed, read_section


class TrainUnifiedParams(Recipes):
    """The section `train_unified`."""

    locale_dropout: Annotated[float, Field(ge=0, lt=1)]
    locale_temperature: Annotated[float, Field(ge=1, le=100)]
    mask_unsold: bool


class VariantError(ValueError):
    """The variant is not one that this stage trains."""


def main(layout: Layout, variant: str) -> FitReport:
    # Slow to import; whoever reads the params alone does not need it.
    from q2pt_tasks.model.workers import share_among_devices

    share_among_devices(["train_unified", "--variant", variant])
    params = read_section(layout.params, "train_unified", TrainUnifiedParams)
    return run(
        layout,
        variant,
        params.trained_as(read_section(layout.params, "training", Training)),
        read_encoder(layout),
        locales=read_section(layout.params, "locales", Locales),
        seed=read_section(layout.params, "seed", Seed),
    )


def run(
    layout: Layout,
    variant: str,
    params: TrainUnifiedParams,
    encoder: EncoderParams,
    *,
    locales: Sequence[str],
    seed: int,
) -> FitReport:
    """Trains `models/<variant>/`.

    Raises:
        VariantError: `variant` is none of the unified ones.
        TrainingDivergedError: the loss is not finite.
    """
    if variant not in UNIFIED_VARIANTS:
        raise VariantError(f"variant {variant!r} is not unified; allowed are {', '.join(UNIFIED_VARIANTS)}")
    # Slow to import; whoever reads the params alone does not need it.
    from q2pt_tasks.model.fit import fit

    job = FitJob(
        variant=variant,
        locales=locales,
        tokens=layout.unified_tokens(),
        label_space=layout.label_space(None),
        encoder=encoder,
        encoder_files=layout.encoder,
        recipes=params,
        locale_dropout=params.locale_dropout,
        locale_temperature=params.locale_temperature,
        seed=seed,
        census=layout.census(None),
        assortment=layout.assortment if params.mask_unsold else None,
        params={"train_unified": params.model_dump(mode="json"), "encoder": encoder.model_dump(mode="json")},
    )
    return fit(job, layout.unified_model(variant))
