"""Logits and scores of packed queries from a network."""

import numpy as np
import torch

from q2pt_tasks.model.batching import pieces_of, stretches
from q2pt_tasks.model.examples import FloatMatrix, Packed
from q2pt_tasks.model.network import Network
from q2pt_tasks.model.objectives import Objective
from q2pt_tasks.model.precision import Hardware

# Computed at once: what a core's cache holds.
_TOKENS = 2048


def score(network: Network, objective: Objective, tokens: Packed, hardware: Hardware) -> FloatMatrix:
    """Probability of every product type for every query, shape (queries, product types).

    `objective` is what the network was trained for.
    """
    return probabilities_of(logits_of(network, tokens, hardware), objective)


def probabilities_of(logits: FloatMatrix, objective: Objective) -> FloatMatrix:
    """What the logits mean to a network that was trained for `objective`, shape (queries, product types)."""
    probabilities: FloatMatrix = objective.probabilities(torch.from_numpy(logits)).numpy()
    return probabilities


@torch.inference_mode()
def logits_of(network: Network, tokens: Packed, hardware: Hardware) -> FloatMatrix:
    """Logit of every product type for every query, shape (queries, product types)."""
    # It walks through all modules, which a single query would wait for.
    if network.training:
        network.eval()
    found = np.zeros((len(tokens), network.head.out_features), dtype=np.float32)
    with hardware.autocast():
        for stretch in stretches(len(tokens)):
            for piece in pieces_of(tokens, stretch, hardware.tokens_at_once(_TOKENS)):
                logits = network(piece.tokens.to(hardware.device))
                found[piece.rows] = logits.float().cpu().numpy()[piece.inputs]
    return found
