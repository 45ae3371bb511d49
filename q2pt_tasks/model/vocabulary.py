"""Only the rows of the embedding table that occur are trained.

Adam without weight decay never moves a row whose gradient has always been zero, and a row of a token that no query
has gets none. So training the rows that occur and putting them back gives the same model, without the cost of a table
that is most of a multilingual encoder.
"""

from dataclasses import dataclass

import numpy as np
import torch

from q2pt_tasks.model.examples import Int64Array, Packed
from q2pt_tasks.model.layers import Table
from q2pt_tasks.model.network import Network


@dataclass(frozen=True)
class OccurringTokens:
    """The token ids that occur in a model's data, ascending. A token's position among them is its trimmed id."""

    token_ids: Int64Array

    @classmethod
    def of(cls, *token_ids: Int64Array) -> "OccurringTokens":
        return cls(np.unique(np.concatenate(token_ids)))

    def trimmed_ids(self, token_ids: Int64Array) -> Int64Array:
        """The trimmed ids of `token_ids`, all of which must occur."""
        return np.searchsorted(self.token_ids, token_ids)

    def trimmed(self, tokens: Packed) -> Packed:
        return Packed(self.trimmed_ids(tokens.values), tokens.offsets)


def trim_words(network: Network, occurring: OccurringTokens) -> torch.Tensor:
    """Leaves the network with the embedding rows that occur; returns the whole table, shape (tokens, width)."""
    full = network.words
    rows = full.weight.detach()[torch.from_numpy(occurring.token_ids)].clone()
    padding = None if full.padding_idx is None else int(occurring.trimmed_ids(np.array([full.padding_idx]))[0])
    network.set_words(Table.of(rows, padding))
    return full.weight.detach()


def restore_words(network: Network, occurring: OccurringTokens, full_table: torch.Tensor) -> None:
    """Gives the network the whole table back, with the trained rows in their places."""
    table = full_table.clone()
    trained = network.words
    table[torch.from_numpy(occurring.token_ids)] = trained.weight.detach().to(table)
    padding = None if trained.padding_idx is None else int(occurring.token_ids[trained.padding_idx])
    network.set_words(Table.of(table, padding))
