"""A network stored as what training changed: all but the rows of the word table that are still the encoder's.

The word table is most of a multilingual encoder, and training moves only the rows of tokens that occur
(`vocabulary.py`). The matrices of the layers are stored in bf16, which is how they are read where training and
prediction run in bf16: there nothing is lost.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file

from q2pt_tasks.model.families import Shape, read_config, write_config
from q2pt_tasks.model.packed_network import PackedNetwork
from q2pt_tasks.model.weights import WORDS, WeightsError, map_words, own_weights, stored_weights, write_weights

DELTA = "delta.safetensors"
# The rows of the word table that differ from the base, shape (n, width), and their token ids, ascending, shape (n,).
_ROWS, _IDS = "words.rows", "words.ids"


def round_matrices(network: PackedNetwork) -> None:
    """Gives the matrices of the layers the values that they are stored with."""
    for matrix in _matrices(network.state_dict()).values():
        matrix.copy_(matrix.bfloat16())


def save_delta(folder: Path, network: PackedNetwork, base: Path) -> None:
    """Writes config and changes; `base` is the file of the weights that `network` was trained from.

    Raises:
        WeightsError: `base` has no word table of the network's width.
    """
    shape, weights = network.config.shape, network.state_dict()
    words, matrices = weights.pop(WORDS), _matrices(weights)
    others = {name: weight for name, weight in weights.items() if name not in matrices}
    ids = _changed_rows(words, map_words(base, shape))
    write_config(folder, network.config, tokens=len(words))
    changes = {
        **{name: matrix.bfloat16() for name, matrix in stored_weights(shape, matrices).items()},
        **stored_weights(shape, others),
        _ROWS: words[ids].float(),
        _IDS: ids,
    }
    write_weights(folder / DELTA, changes)


def load_delta(folder: Path, base: Path) -> PackedNetwork:
    """The network whose changes against the weights in the file `base` are in `folder`.

    Raises:
        OSError, ValueError: a file is missing, or they do not fit together.
    """
    config = read_config(folder)
    if config is None:
        raise WeightsError(f"{folder} holds changes of an architecture that this code does not know")
    changes = load_file(folder / DELTA)
    words = _restored_words(config.shape, changes, map_words(base, config.shape))
    others = own_weights(changes, config.shape, PackedNetwork.shapes(config), optional={WORDS})
    return PackedNetwork.with_weights(config, {**others, WORDS: words})


def _matrices(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The two-dimensional weights of the layers; tables of embeddings and the layers above the encoder are none."""
    return {name: weight for name, weight in weights.items() if name.startswith("layers.") and weight.dim() == 2}


def _changed_rows(words: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
    """The token ids whose rows differ; those that the base does not have are among them."""
    if base.shape[1] != words.shape[1] or len(base) > len(words):
        raise WeightsError(
            f"the network has a word table of shape {tuple(words.shape)}, its base one of {tuple(base.shape)}"
        )
    changed = torch.ones(len(words), dtype=torch.bool)
    changed[: len(base)] = (words[: len(base)] != base).any(dim=1)
    return changed.nonzero().squeeze(1)


def _restored_words(shape: Shape, changes: dict[str, torch.Tensor], base: torch.Tensor) -> torch.Tensor:
    """The whole word table in fp32; takes the rows and their ids out of `changes`."""
    ids, rows = changes.pop(_IDS), changes.pop(_ROWS)
    added = torch.arange(len(base), shape.tokens)
    if rows.shape != (len(ids), shape.width) or not torch.equal(ids[ids >= len(base)], added):
        raise WeightsError(
            f"{len(ids)} changed rows of shape {tuple(rows.shape)} and a base of shape {tuple(base.shape)} do not make "
            f"a word table of shape {(shape.tokens, shape.width)}"
        )
    table = torch.empty(shape.tokens, shape.width)
    table[: len(base)] = base
    table[ids] = rows
    return table
