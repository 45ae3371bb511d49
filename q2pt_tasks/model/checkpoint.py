"""A checkpoint is a directory with a contract: a Hugging Face model, its tokenizer, and what they were made from.

`AutoModelForSequenceClassification.from_pretrained` opens it, but for one that holds only what changed against its
encoder; the model is then the encoder alone, where an n-gram model lies beside it in `ngrams.safetensors`.
`metadata.json` says what the weights cannot.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file

from q2pt_tasks.data.queries import NORMALISATION
from q2pt_tasks.model.base import describe_base, find_base
from q2pt_tasks.model.build import load_network
from q2pt_tasks.model.delta import load_delta, save_delta
from q2pt_tasks.model.families import CONFIG
from q2pt_tasks.model.metadata import CheckpointError, Metadata, load_metadata, refuse_if, save_metadata
from q2pt_tasks.model.network import Network
from q2pt_tasks.model.ngrams import NGrams
from q2pt_tasks.model.packed_network import PackedNetwork
from q2pt_tasks.model.recipe import ObjectiveName
from q2pt_tasks.model.text_parts import FORM
from q2pt_tasks.model.tokenizer import QueryTokenizer, load_tokenizer
from q2pt_tasks.model.variants import locale_tokens
from q2pt_tasks.model.weights import WEIGHTS, write_weights

NGRAMS = "ngrams.safetensors"

# What makes Hugging Face's pipeline turn logits into the same scores; it has no sparsemax.
_PROBLEM_TYPES: Mapping[ObjectiveName, str | None] = {
    "binary_cross_entropy": "multi_label_classification",
    "softmax": "single_label_classification",
    "sparsemax": None,
}


@dataclass(frozen=True)
class Checkpoint:
    """A loaded checkpoint that keeps its contract."""

    metadata: Metadata
    network: Network
    tokenizer: QueryTokenizer
    ngrams: NGrams | None = None


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Writes all weights, tokenizer and, last, the metadata: a directory without it is not a checkpoint."""
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint.network.save(folder)
    _save_beside(folder, checkpoint)
    save_metadata(folder, replace(checkpoint.metadata, base=None))


def save_changes(folder: Path, checkpoint: Checkpoint, encoder: Path) -> None:
    """As `save_checkpoint`, but of the weights only what changed against those in the folder `encoder`."""
    network = checkpoint.network
    assert isinstance(network, PackedNetwork)  # noqa: S101 - others are stored whole
    save_delta(folder, network, encoder / WEIGHTS)
    _save_beside(folder, checkpoint)
    save_metadata(folder, replace(checkpoint.metadata, base=describe_base(encoder)))


def _save_beside(folder: Path, checkpoint: Checkpoint) -> None:
    """All but the network and the metadata."""
    _say_problem_type(folder / CONFIG, checkpoint.metadata.objective)
    checkpoint.tokenizer.save(folder)
    if checkpoint.ngrams is not None:
        write_weights(folder / NGRAMS, checkpoint.ngrams.tensors())


def _say_problem_type(config: Path, objective: ObjectiveName) -> None:
    document = json.loads(config.read_text(encoding="utf-8"))
    document["problem_type"] = _PROBLEM_TYPES[objective]
    config.write_text(json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")


def load_checkpoint(folder: Path, encoder: Path | None = None) -> Checkpoint:
    """The checkpoint in `folder`, checked against its own metadata.

    Args:
        folder: of the checkpoint.
        encoder: folder of the encoder that it was trained from; looked for as `find_base` says where None. Read for
            one that holds only what changed.

    Raises:
        CheckpointError: something does not fit; the message shows both sides.
    """
    metadata = load_metadata(folder)
    if metadata.status == "untrained":
        raise CheckpointError(f"{folder} holds no weights: {metadata.reason}")
    refuse_if(folder, "query normalisation", metadata.normalisation, NORMALISATION)
    base = find_base(folder, metadata.base, encoder) if metadata.base else None
    try:
        network = load_delta(folder, base) if base else load_network(folder)
        tokenizer = load_tokenizer(folder)
        ngrams = _load_ngrams(folder, metadata)
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(f"{folder} cannot be loaded: {error}") from error
    checkpoint = Checkpoint(metadata, network, tokenizer, ngrams)
    _check(folder, checkpoint)
    return checkpoint


def _load_ngrams(folder: Path, metadata: Metadata) -> NGrams | None:
    if metadata.ngrams is None:
        return None
    refuse_if(folder, "parts of queries", metadata.ngrams.form, FORM)
    return NGrams.of(metadata.ngrams.longest, load_file(folder / NGRAMS))


def _check(folder: Path, checkpoint: Checkpoint) -> None:
    metadata, network, tokenizer = checkpoint.metadata, checkpoint.network, checkpoint.tokenizer
    refuse_if(folder, "product types", network.product_types, metadata.product_types)
    rows = network.words.num_embeddings
    if len(tokenizer) > rows:
        raise CheckpointError(f"{folder}: the tokenizer has {len(tokenizer)} tokens, the network {rows}")
    if checkpoint.ngrams is not None:
        types = len(metadata.product_types)
        refuse_if(folder, "product types of the n-gram model", checkpoint.ngrams.product_types, types)
    if metadata.is_aware:
        known = tokenizer.pieces.get_vocab(with_added_tokens=True)
        missing = [token for token in locale_tokens(metadata.locales) if token not in known]
        refuse_if(folder, "missing locale tokens", missing, [])
