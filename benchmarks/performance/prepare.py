"""Makes what all contestants read, once."""

import shutil
from pathlib import Path

from benchmarks.performance.checkpoints import Checkpoints, Head
from benchmarks.performance.data import (
    Corpus,
    Facts,
    product_type,
    read_facts,
    source_hash,
    write_facts,
    write_rows,
)
from benchmarks.performance.place import BRANCH, Place
from benchmarks.performance.rows import load_rows
from benchmarks.performance.sizes import DISTILBERT, E5, Shape, Sizes
from benchmarks.performance.workspaces import Workspace
from q2pt_tasks.layout import Layout
from q2pt_tasks.model.metadata import SCHEMA_VERSION
from q2pt_tasks.model.transformers_network import quiet_transformers
from q2pt_tasks.params import read_section
from q2pt_tasks.stages.train_unified import TrainUnifiedParams

# Queries from which a checkpoint's threshold is read.
_THRESHOLD_TEXTS = 64


def prepare(place: Place, sizes: Sizes, taxonomy: Path, encoder: Path) -> Facts:
    """Writes rows and checkpoints where they are not there yet or were made from something else, and the workspaces."""
    # Checkpoints that the code has ceased to read are made again too.
    source = source_hash(taxonomy, encoder, (sizes.shape, _dropout(), SCHEMA_VERSION))
    corpus = Corpus.read(taxonomy, encoder)
    if not place.facts.is_file() or read_facts(place).source != source:
        shutil.rmtree(place.facts.parent, ignore_errors=True)
        facts = write_rows(corpus, place, source)
        _write_checkpoints(corpus, place, sizes.shape, encoder)
        write_facts(place, facts)
    for model in sizes.stages:
        _write_workspace(corpus, place, sizes, model)
    return read_facts(place)


def _write_checkpoints(corpus: Corpus, place: Place, shape: Shape, encoder: Path) -> None:
    texts = [query.text for query in corpus.of_side("test")[:_THRESHOLD_TEXTS]]
    checkpoints = Checkpoints(corpus.tokenizer, texts, _dropout())
    quiet_transformers()
    head = _head(corpus.taxonomy.types, place.rows("train"))
    checkpoints.random(shape, head, place.model(DISTILBERT))
    checkpoints.pretrained(encoder, head, place.model(E5))
    branch = _head(corpus.branch_types, place.rows(f"{BRANCH}-train"))
    checkpoints.pretrained(encoder, branch, place.model(BRANCH))


def _dropout() -> float:
    return read_section(Layout().params, "train_unified", TrainUnifiedParams).pretrained.dropout


def _head(labels: list[str], rows: Path) -> Head:
    return Head([product_type(label) for label in labels], load_rows(rows).priors)


def _write_workspace(corpus: Corpus, place: Place, sizes: Sizes, model: str) -> None:
    workspace = Workspace(Layout(place.workspace(model)), corpus.tokenizer, sizes.stages[model])
    queries = {split: corpus.of_side(split) for split in ("train", "validation")}
    # From the workspace, where the stages run, so that nothing holds the path of this checkout.
    workspace.write(f"../../models/{model}", queries)
