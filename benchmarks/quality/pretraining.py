"""Whether an encoder that has read the shop's unlabelled queries first learns better: writes a page of results.

    python -m benchmarks.quality.pretraining --taxonomy FOLDER --encoder FOLDER

The encoder's first layers learn to fill in masked pieces of the training side's queries, those among them whose labels
thinning takes away; then both encoders are trained as the study `objectives` trains its pre-trained recipe.
"""

import argparse
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.quality.masked_language import FirstLayers, Plan, read_queries
from q2pt_tasks.layout import Layout
from q2pt_tasks.params import read_section
from q2pt_tasks.stages.split import SplitParams
from q2pt_tasks.studies import objectives
from q2pt_tasks.studies.machine import describe_machine
from q2pt_tasks.studies.measuring import mean
from q2pt_tasks.studies.pages import bullet, code, table
from q2pt_tasks.studies.seeds import Spread
from q2pt_tasks.studies.study import Figures, Options, Run
from q2pt_tasks.studies.taxonomy import own_files
from q2pt_tasks.studies.ways_to_train import CROSS_ENTROPY, PRETRAINED, TOGETHER
from q2pt_tasks.studies.workspace import prepare_workspace

NAME = "further_pretraining"
PAGE = Path("docs/results/further-pretraining.md")
ENCODER = Path("build/quality/further-pretrained")
AS_IT_CAME, READ_FURTHER = "as it came", "having read the queries"
PLAN = Plan(epochs=5, batch_size=128, learning_rate=1e-4, masked=0.15, seed=13)

log = logging.getLogger(__name__)


def main() -> int:
    said = _options()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    came = Options(taxonomy=said.taxonomy, encoder=str(said.encoder.resolve()))
    layers = PRETRAINED.changes["encoder.keep_layers"]
    queries = unlabelled_queries(_layout_with_splits(came))
    log.info("reading %d queries", len(queries))
    losses = read_queries(FirstLayers(said.encoder, layers), queries, PLAN, ENCODER)
    encoders = {AS_IT_CAME: came, READ_FURTHER: replace(came, encoder=str(ENCODER.resolve()))}
    figures = {name: [_figures(options, seed) for seed in objectives.SEEDS] for name, options in encoders.items()}
    PAGE.write_text(page(figures, len(queries), losses), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
    return 0


def unlabelled_queries(layout: Layout) -> list[str]:
    """All queries of the training side of all stores, whether their labels are used or not, in order."""
    rules = read_section(layout.params, "split", SplitParams).rules()
    files = sorted((layout.labeled / "history").glob("*.parquet"))
    queries = sorted({query for file in files for query in pq.read_table(file)["query"].to_pylist()})
    return [query for query in queries if rules.side(query) == "train"]


def _layout_with_splits(options: Options) -> Layout:
    workspace = prepare_workspace(Path(), f"{NAME}/project", _run(options, objectives.SEEDS[0]).changes)
    workspace.run_pipeline(["split"])
    return workspace.layout


def _figures(options: Options, seed: int) -> Figures:
    run = _run(options, seed)
    workspace = prepare_workspace(Path(), f"{NAME}/project", run.changes)
    workspace.run_pipeline(run.targets)
    return dict(objectives.measure(run, workspace.layout)["sections"][TOGETHER])


def _run(options: Options, seed: int) -> Run:
    recipe = replace(PRETRAINED, changes={**PRETRAINED.changes, **own_files(options)})
    return recipe.run(CROSS_ENTROPY, seed, searches=False)


def page(figures: Mapping[str, Sequence[Figures]], queries: int, losses: Sequence[float]) -> str:
    """The page as Markdown; of each encoder the figures of every seed."""
    asked = (objectives.CHOICE, "validation recall", objectives.RECALL, objectives.SMALL)
    rows = [[name, *(Spread.of([one[metric] for one in own]) for metric in asked)] for name, own in figures.items()]
    parts = [
        "# Does it help an encoder to read the shop's unlabelled queries first?",
        INTRODUCTION.format(queries=queries, layers=PRETRAINED.changes["encoder.keep_layers"], plan=PLAN),
        code(
            "python -m benchmarks.quality.pretraining --taxonomy path/to/google-product-taxonomy "
            "--encoder path/to/multilingual-e5-small-trimmed"
        ),
        f"{describe_machine()}. The loss of filling in was {losses[0]:.2f} in the first epoch, {losses[-1]:.2f} in the "
        "last.",
        table(["encoder", *asked], rows),
        "## What it says",
        bullet(_conclusion(figures)),
        "## What it cannot say",
        *map(bullet, LIMITS),
    ]
    return "\n\n".join(parts) + "\n"


def _conclusion(figures: Mapping[str, Sequence[Figures]]) -> str:
    came, further = ([one[objectives.CHOICE] for one in figures[name]] for name in (AS_IT_CAME, READ_FURTHER))
    ahead = sum(after > before for before, after in zip(came, further, strict=True))
    return (
        f"Validation average precision {mean(further) - mean(came):+.3f} on the mean, and higher with the same seed in "
        f"{ahead} of {len(came)} seeds."
    )


INTRODUCTION = (
    "Google's product taxonomy in four stores, thinned, recipe `pretrained` of [the study of "
    "objectives](objectives.md): `unified_aware`, cross-entropy from the priors, no n-grams, the encoder's first "
    "{layers} layers. Before that one of the two encoders fills in masked pieces of {queries:,} queries of the "
    "training side, those among them whose labels thinning takes away: {plan.epochs} epochs, batches of "
    "{plan.batch_size}, {plan.masked:.0%} of the pieces masked, learning rate {plan.learning_rate:g}. Micro recall at "
    "precision 0.8 at thresholds of validation; small stores: mean over them. Mean over the seeds, lowest and highest "
    "in brackets."
)
LIMITS = (
    "One plan of reading was tried: others, more queries, or all layers of the encoder may do otherwise.",
    "Names of product categories are short; a shop's own log has many times as many unlabelled queries.",
)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.pretraining", description="See the page.")
    parser.add_argument("--taxonomy", type=Path, help="directory with Google's files; downloaded where not given")
    parser.add_argument("--encoder", type=Path, required=True, help="directory of a BERT encoder")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
