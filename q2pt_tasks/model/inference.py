"""Scores of packed queries from a network, in length-sorted batches."""

import numpy as np
import numpy.typing as npt
import torch
from transformers import PreTrainedModel

from q2pt_tasks.model.batching import micro_batches, pad
from q2pt_tasks.model.examples import Packed
from q2pt_tasks.model.network import head_of
from q2pt_tasks.model.precision import Hardware

_BATCH = 256

FloatMatrix = npt.NDArray[np.float32]


@torch.inference_mode()
def score(network: PreTrainedModel, tokens: Packed, pad_token: int, hardware: Hardware) -> FloatMatrix:
    """Probability of every product type for every query, shape (queries, product types)."""
    network.eval()
    scores = np.zeros((len(tokens), head_of(network).out_features), dtype=np.float32)
    with hardware.autocast():
        for rows in micro_batches(np.arange(len(tokens)), tokens.lengths, _BATCH):
            token_ids, mask = pad(tokens, rows, pad_token)
            logits = network(input_ids=token_ids.to(hardware.device), attention_mask=mask.to(hardware.device)).logits
            scores[rows] = logits.float().sigmoid().cpu().numpy()
    return scores
