"""`train_non_unified`: a model of one locale, from that locale's data alone."""

from q2pt_tasks.data.schema import check_locale
from q2pt_tasks.layout import Layout
from q2pt_tasks.model.encoder import EncoderParams, read_encoder
from q2pt_tasks.model.job import FitJob, FitReport
from q2pt_tasks.model.recipe import Recipes, Training
from q2pt_tasks.model.variants import NON_UNIFIED
from q2pt_tasks.params import Seed, read_section


class TrainNonUnifiedParams(Recipes):
    """The section `train_non_unified`."""


def main(layout: Layout, locale: str) -> FitReport:
    # A locale's model does not depend on the list of locales, or a new locale would train all of them again; the name
    # comes from the graph, and becomes a path.
    name = check_locale(locale)
    params = read_section(layout.params, "train_non_unified", TrainNonUnifiedParams)
    return run(
        layout,
        name,
        params.trained_as(read_section(layout.params, "training", Training)),
        read_encoder(layout),
        seed=read_section(layout.params, "seed", Seed),
    )


def run(layout: Layout, locale: str, params: TrainNonUnifiedParams, encoder: EncoderParams, *, seed: int) -> FitReport:
    """Trains `models/non_unified/<locale>/`.

    Raises:
        TrainingDivergedError: the loss is not finite.
    """
    # Slow to import; whoever reads the params alone does not need it.
    from q2pt_tasks.model.fit import fit

    job = FitJob(
        variant=NON_UNIFIED,
        locales=(locale,),
        tokens=layout.non_unified_tokens(locale),
        label_space=layout.label_space(locale),
        census=layout.census(locale),
        encoder=encoder,
        encoder_files=layout.encoder,
        recipes=params,
        locale_dropout=0.0,
        locale_temperature=1.0,
        seed=seed,
        params={"train_non_unified": params.model_dump(mode="json"), "encoder": encoder.model_dump(mode="json")},
    )
    return fit(job, layout.non_unified_model(locale))
