"""Scores of packed queries from a network."""

import numpy as np
import torch

from q2pt_tasks.model.batching import pieces_of, stretches
from q2pt_tasks.model.examples import FloatMatrix, Packed
from q2pt_tasks.model.network import Network
from q2pt_tasks.model.objectives import Objective
from q2pt_tasks.model.precision import Hardware

# Computed at once: what a core's cache holds.
_TOKENS = 2048


@torch.inference_mode()
def score(network: Network, objective: Objective, tokens: Packed, hardware: Hardware) -> FloatMatrix:
    """Probability of every product type for every query, shape (queries, product types).

    `objective` is what the network was trained for.
    """
    # It walks through all modules, which a single query would wait for.
    if network.training:
        network.eval()
    scores = np.zeros((len(tokens), network.head.out_features), dtype=np.float32)
    with hardware.autocast():
        for stretch in stretches(len(tokens)):
            for piece in pieces_of(tokens, stretch, hardware.tokens_at_once(_TOKENS)):
                logits = network(piece.tokens.to(hardware.device))
                scores[piece.rows] = objective.probabilities(logits.float()).cpu().numpy()[piece.inputs]
    return scores
