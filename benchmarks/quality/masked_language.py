"""Further training of a BERT encoder on text without labels: it fills in what is masked (Devlin et al. 2018)."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoTokenizer, BertForMaskedLM

# What an encoder's folder has beside its weights and configuration.
_TOKENIZER = ("tokenizer.json", "tokenizer_config.json")


@dataclass(frozen=True)
class FirstLayers:
    """The first `layers` layers of the encoder in `folder`."""

    folder: Path
    layers: int


@dataclass(frozen=True)
class Plan:
    """How much is read: `masked` is the share of pieces that have to be filled in, above 0 to below 1."""

    epochs: int
    batch_size: int
    learning_rate: float
    masked: float
    seed: int


def read_queries(encoder: FirstLayers, queries: Sequence[str], plan: Plan, target: Path) -> list[float]:
    """Trains the encoder further and writes it to the folder `target`, as an encoder that the pipeline takes.

    Returns:
        The mean loss of each epoch, in nats per masked piece.
    """
    torch.manual_seed(plan.seed)
    tokenizer: Any = AutoTokenizer.from_pretrained(encoder.folder)
    model: Any = BertForMaskedLM.from_pretrained(encoder.folder, num_hidden_layers=encoder.layers, dtype=torch.float32)
    optimiser = torch.optim.AdamW(model.parameters(), lr=plan.learning_rate)
    steps = plan.epochs * -(-len(queries) // plan.batch_size)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, total_iters=steps)
    model.train()
    losses = []
    for _ in range(plan.epochs):
        total, pieces = 0.0, 0
        for batch in _batches(queries, tokenizer, plan):
            with torch.autocast("cpu", torch.bfloat16):
                loss = _loss(model, batch)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            filled = int((batch.meant >= 0).sum())
            total, pieces = total + loss.item() * filled, pieces + filled
        losses.append(total / pieces)
    model.bert.save_pretrained(target)
    for name in _TOKENIZER:
        shutil.copyfile(encoder.folder / name, target / name)
    return losses


@dataclass(frozen=True)
class _Batch:
    """Padded pieces of some queries, (queries, pieces); `meant` is what was masked, -1 elsewhere."""

    read: Tensor
    attention: Tensor
    meant: Tensor


def _batches(queries: Sequence[str], tokenizer: Any, plan: Plan) -> Iterator[_Batch]:  # noqa: ANN401 - of any class
    order = torch.randperm(len(queries)).tolist()
    for start in range(0, len(order), plan.batch_size):
        chosen = [queries[index] for index in order[start : start + plan.batch_size]]
        tokens = tokenizer(
            chosen, padding=True, truncation=True, max_length=32, return_special_tokens_mask=True, return_tensors="pt"
        )
        masked = (torch.rand(tokens.input_ids.shape) < plan.masked) & (tokens.special_tokens_mask == 0)
        if masked.any():
            read = tokens.input_ids.masked_fill(masked, tokenizer.mask_token_id)
            yield _Batch(read, tokens.attention_mask, tokens.input_ids.masked_fill(~masked, -1))


def _loss(model: Any, batch: _Batch) -> Tensor:  # noqa: ANN401
    """Scores are computed of the masked pieces alone: there are as many as the vocabulary is large."""
    seen = model.bert(batch.read, attention_mask=batch.attention).last_hidden_state
    masked = batch.meant >= 0
    return nn.functional.cross_entropy(model.cls(seen[masked]).float(), batch.meant[masked])
