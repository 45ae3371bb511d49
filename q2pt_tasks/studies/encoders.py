"""How much of an encoder is needed: none that is pre-trained, the first layers of one, all of it, or n-grams alone."""

from collections.abc import Mapping, Sequence

from q2pt_tasks.layout import Layout
from q2pt_tasks.metrics.measurements import ALL_LOCALES
from q2pt_tasks.model.metadata import load_metadata
from q2pt_tasks.model.variants import UNIFIED_AGNOSTIC
from q2pt_tasks.studies.charts import Bars, bar_chart
from q2pt_tasks.studies.measuring import AVERAGE_PRECISION, RECALL, Examination, mean
from q2pt_tasks.studies.pages import table
from q2pt_tasks.studies.study import Figures, Options, Page, Run
from q2pt_tasks.studies.taxonomy import own_files, taxonomy_changes

LARGE = ("en-US", "de-DE", "fr-FR", "ja-JP")
SMALL = ("pl-PL", "sv-SE")
SMALL_QUERIES = 300
SEEDS = (1,)
SCRATCH, ALL_LAYERS, LINEAR = "scratch", "all layers", "n-grams, linear"
LAYERS = {"first 3 layers": 3, "first 6 layers": 6, ALL_LAYERS: None}
ENCODERS = (SCRATCH, *LAYERS)
CHANGES = {**taxonomy_changes((*LARGE, *SMALL)), "split.keep_queries": dict.fromkeys(SMALL, SMALL_QUERIES)}


def runs(options: Options) -> Sequence[Run]:
    """Every encoder with every seed."""
    return [
        Run(
            f"{name} seed {seed}",
            {**CHANGES, **own_files(options), **_encoder(name), "seed": seed},
            unified=(UNIFIED_AGNOSTIC,),
        )
        for name in ENCODERS
        for seed in options.seeds or SEEDS
    ]


def _encoder(name: str) -> dict[str, object]:
    return {"encoder.name": "scratch"} if name == SCRATCH else {"encoder.keep_layers": LAYERS[name]}


def measure(run: Run, layout: Layout) -> Figures:
    """The figures of all stores and of the small ones, of the model and of the linear one, and the training's time."""
    from q2pt_tasks.model.baselines import TfidfUnified

    examination = Examination(layout)
    truth = examination.truth
    linear = TfidfUnified(truth.labeled("train"), truth.types)
    return {
        "level": run.name.split(" seed ")[0],
        "seconds": load_metadata(layout.unified_model(UNIFIED_AGNOSTIC)).seconds,
        "model": examination.examine(examination.scorer(UNIFIED_AGNOSTIC)).figures(),
        "linear": examination.examine(linear).figures(),
    }


def page(results: Mapping[str, Figures]) -> Page:
    names = (LINEAR, *ENCODERS)
    recall = {
        group: [_mean(results, name, stores, RECALL) for name in names]
        for group, stores in (("all stores", (ALL_LOCALES,)), ("small stores", SMALL))
    }
    title = "Micro recall at precision 0.8 by encoder"
    return Page(
        introduction=INTRODUCTION,
        sections={"By encoder": _table(results, names), "Every run": _runs_table(results)},
        plot=bar_chart(Bars(names, recall), title, "recall"),
        plot_says=title,
        conclusion=_conclusion(results),
        limits=LIMITS,
        changes=CHANGES,
    )


INTRODUCTION = (
    "Google's product taxonomy, four stores with all of their queries and two with 300 each; `unified_agnostic` "
    "with an encoder that starts from nothing, with the first layers of a pre-trained one (`encoder.keep_layers`), "
    "and with all of it; beside them the linear model over words and character n-grams of all stores. Micro recall "
    "at precision 0.8 at thresholds chosen on validation; small stores: mean over them."
)
LIMITS = (
    "All pre-trained encoders are trained for the same three epochs at the same rate; fewer layers may like more.",
    "Training times were taken beside other work on the machine.",
    "One seed.",
)


def _figures(results: Mapping[str, Figures], name: str) -> list[Figures]:
    if name == LINEAR:
        return [next(iter(results.values()))["linear"]]
    return [one["model"] for one in results.values() if one["level"] == name]


def _mean(results: Mapping[str, Figures], name: str, stores: Sequence[str], metric: str) -> float:
    return mean([own[store][metric] for own in _figures(results, name) for store in stores])


def _table(results: Mapping[str, Figures], names: Sequence[str]) -> str:
    rows = [
        [
            name,
            *(_mean(results, name, [ALL_LOCALES], metric) for metric in (RECALL, AVERAGE_PRECISION)),
            *(_mean(results, name, SMALL, metric) for metric in (RECALL, AVERAGE_PRECISION)),
            _seconds(results, name),
        ]
        for name in names
    ]
    header = ["recall", "average precision", "recall, small", "average precision, small", "training, s"]
    return table(["encoder", *header], rows)


def _seconds(results: Mapping[str, Figures], name: str) -> str | None:
    own = [one["seconds"] for one in results.values() if one["level"] == name]
    return f"{mean(own):,.0f}" if own else None


def _runs_table(results: Mapping[str, Figures]) -> str:
    rows = [[name, one["model"][ALL_LOCALES][RECALL], one["seconds"]] for name, one in results.items()]
    return table(["run", "recall", "training, s"], rows)


def _conclusion(results: Mapping[str, Figures]) -> list[str]:
    whole = _mean(results, ALL_LAYERS, [ALL_LOCALES], RECALL)
    lines = []
    for name in (LINEAR, *ENCODERS[:-1]):
        share, small = (_mean(results, name, stores, RECALL) for stores in ([ALL_LOCALES], SMALL))
        lines.append(
            f"{name}: recall {share:.3f} over all stores, {share / whole:.0%} of that of all layers, and {small:.3f} "
            "in small ones."
        )
    small = _mean(results, ALL_LAYERS, SMALL, RECALL)
    return [*lines, f"{ALL_LAYERS}: {whole:.3f} over all stores, {small:.3f} in small ones."]
