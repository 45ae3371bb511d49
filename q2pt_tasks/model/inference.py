"""Scores of packed queries from a network, in length-sorted batches."""

import numpy as np
import torch

from q2pt_tasks.model.batching import micro_batches, packed_tokens
from q2pt_tasks.model.examples import FloatMatrix, Packed
from q2pt_tasks.model.network import Network
from q2pt_tasks.model.precision import Hardware

_BATCH = 256


@torch.inference_mode()
def score(network: Network, tokens: Packed, hardware: Hardware) -> FloatMatrix:
    """Probability of every product type for every query, shape (queries, product types)."""
    network.eval()
    scores = np.zeros((len(tokens), network.head.out_features), dtype=np.float32)
    with hardware.autocast():
        for rows in micro_batches(np.arange(len(tokens)), tokens.lengths, _BATCH):
            logits = network(packed_tokens(tokens.select(rows)).to(hardware.device))
            scores[rows] = logits.float().sigmoid().cpu().numpy()
    return scores
