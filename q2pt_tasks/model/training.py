"""The training loop: multi-label binary cross-entropy with Adam, stopped by validation (paper A, section 4)."""

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from q2pt_tasks.metrics.recall_at_precision import average_precision
from q2pt_tasks.model.batching import batch_size_for, make_batch, micro_batches, shuffled_batches, targets_of
from q2pt_tasks.model.examples import Examples, FloatMatrix
from q2pt_tasks.model.inference import score
from q2pt_tasks.model.locale_dropout import LocaleTokens
from q2pt_tasks.model.network import Network
from q2pt_tasks.model.precision import Hardware
from q2pt_tasks.model.progress import track
from q2pt_tasks.model.recipe import Recipe
from q2pt_tasks.model.vocabulary import OccurringTokens

log = logging.getLogger(__name__)


class TrainingDivergedError(RuntimeError):
    """The loss is not a finite number."""


@dataclass(frozen=True)
class Epoch:
    """Mean loss per query, and micro average precision on validation."""

    number: int
    loss: float
    average_precision: float


@dataclass(frozen=True)
class Trainer:
    """Everything that one training needs but the network and the learning rate.

    Attributes:
        occurring: the tokens of the data; all token ids below are trimmed ids among them.
        train: training queries, without locale tokens.
        validation: validation queries, with the locale tokens that the model will see.
        locale_tokens: what is put in front of the training queries.
        product_types: size of the label space.
    """

    occurring: OccurringTokens
    train: Examples
    validation: Examples
    locale_tokens: LocaleTokens
    product_types: int
    recipe: Recipe
    hardware: Hardware
    seed: int

    def fit(self, network: Network, learning_rate: float) -> list[Epoch]:
        """Trains `network` and leaves it with the weights of its best epoch on validation.

        Returns:
            All epochs in order. The best is the first one of the highest average precision.

        Raises:
            TrainingDivergedError: the loss is not finite.
        """
        torch.manual_seed(self.seed)
        network.to(self.hardware.device)
        optimizer = torch.optim.Adam(self._parameter_groups(network, learning_rate), fused=True)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self._learning_rate_share)
        epochs: list[Epoch] = []
        best_weights: dict[str, torch.Tensor] = {}
        for number in range(1, self.recipe.max_epochs + 1):
            loss = self._train_epoch(network, optimizer, schedule, number)
            epochs.append(Epoch(number, loss, self._average_precision(network)))
            log.info("epoch %d: loss %.4f, validation average precision %.4f", *_figures(epochs[-1]))
            if best_epoch(epochs) is epochs[-1]:
                best_weights = {name: weight.detach().clone() for name, weight in network.state_dict().items()}
            if number - best_epoch(epochs).number >= self.recipe.patience:
                break
        network.load_state_dict(best_weights)
        return epochs

    @property
    def batch_size(self) -> int:
        return batch_size_for(len(self.train), self.recipe.batch_size, self.recipe.min_steps_per_epoch)

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(len(self.train) / self.batch_size)

    def _parameter_groups(self, network: Network, learning_rate: float) -> list[dict[str, Any]]:
        """The encoder at `learning_rate`, the layers above it faster: they start from nothing, it does not."""
        new = network.new_parameters()
        encoder = [parameter for parameter in network.parameters() if id(parameter) not in set(map(id, new))]
        return [
            {"params": encoder, "lr": learning_rate},
            {"params": new, "lr": learning_rate * self.recipe.head_factor},
        ]

    def _learning_rate_share(self, step: int) -> float:
        """Linear warm-up from nothing, then linear decay to nothing at the end of `max_epochs`."""
        steps = self.steps_per_epoch * self.recipe.max_epochs
        warmup = self.recipe.warmup_share * steps
        return (step + 1) / (warmup + 1) if step < warmup else max(0.0, (steps - step) / max(1.0, steps - warmup))

    def _train_epoch(
        self,
        network: Network,
        optimizer: torch.optim.Optimizer,
        schedule: torch.optim.lr_scheduler.LRScheduler,
        number: int,
    ) -> float:
        network.train()
        total = 0.0
        generator = np.random.default_rng([self.seed, number])
        examples = self.locale_tokens.put_before(self.train, generator)
        batches = shuffled_batches(len(examples), self.batch_size, generator)
        for rows in track(batches, total=self.steps_per_epoch, name=f"epoch {number}"):
            total += self._accumulate_gradients(network, examples, rows)
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
        return total / len(examples)

    def _accumulate_gradients(self, network: Network, examples: Examples, rows: np.ndarray) -> float:
        """Gradients of the mean loss of the batch `rows`, in pieces that fit the cache; returns the summed loss."""
        total = 0.0
        for loss in self._losses(network, examples, rows):
            (loss / len(rows)).backward()
            total += loss.item()
        if not math.isfinite(total):
            raise TrainingDivergedError(
                f"the loss is {total} on a batch of {len(rows)} queries: lower the learning rate (learning_rates)"
            )
        return total

    def _losses(self, network: Network, examples: Examples, rows: np.ndarray) -> Iterator[torch.Tensor]:
        """Cross-entropy of each piece of the batch, summed over its queries and product types."""
        device = self.hardware.device
        for piece in micro_batches(rows, examples.tokens.lengths, self.recipe.micro_batch):
            batch = make_batch(examples, piece, self.product_types)
            with self.hardware.autocast():
                logits = network(batch.tokens.to(device))
            yield functional.binary_cross_entropy_with_logits(logits.float(), batch.targets.to(device), reduction="sum")

    def _average_precision(self, network: Network) -> float:
        scores = score(network, self.validation.tokens, self.hardware)
        return validation_average_precision(scores, self.validation)


def best_epoch(epochs: list[Epoch]) -> Epoch:
    """The first epoch of the highest validation average precision."""
    return max(epochs, key=lambda epoch: (epoch.average_precision, -epoch.number))


def validation_average_precision(scores: FloatMatrix, examples: Examples) -> float:
    """Micro average precision of `scores`, shape (queries, product types)."""
    targets = targets_of(examples.labels, np.arange(len(examples)), scores.shape[1]).numpy() > 0
    return average_precision(scores.ravel(), targets.ravel())


def _figures(epoch: Epoch) -> tuple[int, float, float]:
    return epoch.number, epoch.loss, epoch.average_precision
