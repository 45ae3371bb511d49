"""What to train for: cross-entropy, softmax or sparsemax, from which bias, and with the stores levelled or not."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from q2pt_tasks.layout import Layout
from q2pt_tasks.metrics.measurements import ALL_LOCALES
from q2pt_tasks.model.metadata import load_metadata
from q2pt_tasks.model.variants import NON_UNIFIED, UNIFIED_AWARE
from q2pt_tasks.studies.charts import Bars, bar_chart
from q2pt_tasks.studies.measuring import METRICS, Examination, mean
from q2pt_tasks.studies.pages import table
from q2pt_tasks.studies.study import Figures, Options, Page, Run
from q2pt_tasks.studies.taxonomy import own_files
from q2pt_tasks.studies.ways_to_train import (
    ALONE,
    CROSS_ENTROPY,
    FACTORS,
    LEVELLED,
    PAPER,
    PRETRAINED,
    RECIPES,
    SCRATCH,
    TEMPERATURE,
    TOGETHER,
    WAYS,
    Recipe,
    chosen_rates,
)

# The first one searches the learning rate.
SEEDS = (13, 14, 15)
NAMES = tuple(way.name for way in WAYS)
# What is measured of the models of a run.
CHOICE, RECALL, SMALL = "validation average precision", "test recall", "test recall, small stores"
FIGURES = (CHOICE, "validation recall", RECALL, "test precision", "test average precision", SMALL)


def runs(options: Options) -> Sequence[Run]:
    """Every way of each recipe with every seed; the pre-trained recipe where an encoder is named."""
    recipes = [SCRATCH]
    if options.encoder:
        recipes.append(replace(PRETRAINED, changes={**PRETRAINED.changes, **own_files(options)}))
    first, *further = options.seeds or SEEDS
    return [
        recipe.run(way, seed, searches=seed == first and not way.levelled)
        for recipe in recipes
        for seed in (first, *further)
        for way in WAYS
    ]


def measure(run: Run, layout: Layout) -> Figures:
    """Per section the mean over its models: the rate that validation chose, and the figures of `FIGURES`."""
    recipe, way, seed = run.name.split(", ")
    shop = Examination(layout)
    unified = shop.examine(shop.scorer(UNIFIED_AWARE)).figures()
    small = mean([unified[store][METRICS[0]] for store in RECIPES[recipe].small])
    together = _figures([layout.unified_model(UNIFIED_AWARE)], [unified[ALL_LOCALES]])
    sections = {TOGETHER: {**together, SMALL: small}}
    if run.own:
        own = Examination(layout, run.own)
        test = own.examine(own.scorer(NON_UNIFIED)).figures()
        folders = [layout.non_unified_model(store) for store in run.own]
        sections[ALONE] = _figures(folders, [test[store] for store in run.own])
    return {"recipe": recipe, "way": way, "seed": seed, "sections": sections}


def _figures(folders: Sequence[Path], test: Sequence[Mapping[str, float | None]]) -> dict[str, Any]:
    """Means over the models in `folders`; `test`: what each of them reaches there."""
    models = [load_metadata(folder).metrics for folder in folders]
    recall, precision, average_precision = (mean([one[metric] for one in test]) for metric in METRICS)
    return {
        "rates": [model["learning_rate"] for model in models],
        CHOICE: mean([model["average_precision"] for model in models]),
        "validation recall": mean([model["micro_recall"] for model in models]),
        RECALL: recall,
        "test precision": precision,
        "test average precision": average_precision,
    }


@dataclass(frozen=True)
class Compared:
    """The ways of one section of one recipe: per way the figures of its seeds, the searching one first."""

    recipe: Recipe
    section: str
    ways: Mapping[str, Sequence[Figures]]

    @property
    def name(self) -> str:
        return f"{self.section}.{self.recipe.name}"

    @property
    def figures(self) -> list[str]:
        """Those that are measured: a model of one store says nothing of small ones."""
        (first, *_), *_ = self.ways.values()
        return [figure for figure in FIGURES if figure in first]

    def values(self, way: str, figure: str) -> list[float]:
        return [one[figure] for one in self.ways[way]]

    def best(self) -> str:
        """The way of the highest mean of what is chosen by; levelled stores are a matter of their own."""
        objectives = [way.name for way in WAYS if not way.levelled]
        return max(objectives, key=lambda way: mean(self.values(way, CHOICE)))

    def is_ahead(self, way: str, other: str) -> bool:
        """Whether every seed of `way` is better on validation than every seed of `other`."""
        return min(self.values(way, CHOICE)) > max(self.values(other, CHOICE))


def page(results: Mapping[str, Figures]) -> Page:
    compared = list(_compared(results))
    series = {
        one.name: [mean(one.values(way, RECALL)) if way in one.ways else None for way in NAMES] for one in compared
    }
    title = "Micro recall at precision 0.8 on test by objective"
    return Page(
        introduction=INTRODUCTION,
        sections={
            **{f"`{one.name}`": _table(one) for one in compared},
            "Changed against `params.yaml`": _changes_table({one.recipe.name: one.recipe for one in compared}),
            "Every run": _runs_table(compared),
        },
        plot=bar_chart(Bars(NAMES, series), title, "recall"),
        plot_says=title,
        conclusion=[sentence for one in compared for sentence in _conclusion(one)],
        limits=[*LIMITS, *(sentence for one in compared for sentence in _rates_apart(one))],
    )


INTRODUCTION = (
    "Recipe `scratch` on the synthetic log with four stores, recipe `pretrained` on Google's product taxonomy with "
    "four stores, thinned, and the first three layers of the encoder; `train_unified`: `unified_aware`, all stores "
    "together; `train_non_unified`: the model of one store. *Cross-entropy of the paper* starts from even "
    "scores (`prior_bias: false`), all others from the product types' shares. The first seed tries half, one and two "
    "times the recipe's learning rate, and validation keeps one, with which the further seeds are trained. Ways are "
    "chosen by average precision on validation, then asked once on test, at thresholds of validation for precision "
    f"0.8. *Levelled*: `locale_temperature: {TEMPERATURE:g}`. Mean over the seeds, lowest and highest in brackets; "
    "small stores: mean over them."
)
LIMITS = (
    "Few stores of one synthetic log, and a taxonomy without clicks of its own: small data.",
    "Models of one store from a pre-trained encoder were not asked.",
    "The paper's batch of 2048 is not asked: both logs are too small for it.",
    "Ahead means that no seed of the other way reaches the lowest seed of this one; three seeds are few.",
)


def _compared(results: Mapping[str, Figures]) -> Iterator[Compared]:
    for recipe in RECIPES.values():
        runs_of_it = [one for one in results.values() if one["recipe"] == recipe.name]
        for section in recipe.rates:
            ways = {
                way: [
                    one["sections"][section] for one in runs_of_it if one["way"] == way and section in one["sections"]
                ]
                for way in NAMES
            }
            if runs_of_it:
                yield Compared(recipe, section, {way: found for way, found in ways.items() if found})


def _table(compared: Compared) -> str:
    def cells(way: str) -> Iterator[str]:
        yield ", ".join(f"{rate:g}" for rate in compared.ways[way][0]["rates"])
        for figure in compared.figures:
            values = compared.values(way, figure)
            yield f"{mean(values):.3f} ({min(values):.3f}–{max(values):.3f})"

    return table(["objective", "learning rate", *compared.figures], [[way, *cells(way)] for way in compared.ways])


def _changes_table(recipes: Mapping[str, Recipe]) -> str:
    rows = [
        [name, f"`{key}`", f"`{value}`"] for name, recipe in recipes.items() for key, value in recipe.changes.items()
    ]
    return table(["recipe", "key", "value"], rows)


def _runs_table(compared: Sequence[Compared]) -> str:
    rows = [
        [one.name, way, ", ".join(f"{rate:g}" for rate in figures["rates"]), *map(figures.get, FIGURES)]
        for one in compared
        for way, seeds in one.ways.items()
        for figures in seeds
    ]
    return table(["recipe", "objective", "learning rate", *FIGURES], rows)


def _conclusion(compared: Compared) -> Iterator[str]:
    best = compared.best()
    ahead = [way.name for way in WAYS if way.name != best and not way.levelled and compared.is_ahead(best, way.name)]
    yield (
        f"`{compared.name}`: {best} is best on validation; ahead beyond the seeds' spread of "
        f"{', '.join(ahead) or 'none'}. {_change(compared, PAPER.name, best, 'Against the paper')}"
    )
    if LEVELLED.name in compared.ways:
        told = _change(compared, CROSS_ENTROPY.name, LEVELLED.name, "stores levelled, against not")
        yield f"`{compared.name}`: {told}"


def _change(compared: Compared, before: str, after: str, what: str) -> str:
    """How the figures of a way differ from those of another."""

    def told(figure: str) -> str:
        old, new = (mean(compared.values(way, figure)) for way in (before, after))
        return f"{figure} {new - old:+.3f}"

    return f"{what}: {', '.join(told(figure) for figure in (CHOICE, RECALL, SMALL) if figure in compared.figures)}."


def _rates_apart(compared: Compared) -> Iterator[str]:
    """Names the ways whose rate may not be the best one."""
    found = {way: sorted(set(seeds[0]["rates"])) for way, seeds in compared.ways.items()}
    edges = {factor * compared.recipe.rates[compared.section] for factor in (min(FACTORS), max(FACTORS))}
    for way, rates in found.items():
        if rates != sorted(chosen_rates(compared.recipe, compared.section, way)):
            yield f"`{compared.name}`, {way}: further seeds were trained at another rate than the first one chose."
    if at_edge := [way for way, rates in found.items() if edges & set(rates)]:
        yield f"`{compared.name}`: best at the lowest or highest rate tried, perhaps beyond: {', '.join(at_edge)}."
