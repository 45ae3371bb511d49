"""The training loop: an objective, Adam, stopped by validation (paper A, section 4)."""

import logging
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice

import numpy as np
import torch
from numpy.typing import NDArray

from q2pt_tasks.metrics.curves import pooled_curve
from q2pt_tasks.metrics.scored import Scored
from q2pt_tasks.model.adam import Adam, Group
from q2pt_tasks.model.assortment import mask_logits, mask_scores
from q2pt_tasks.model.batching import Piece, batch_size_for, batches, pieces_of, shares_of
from q2pt_tasks.model.examples import Examples, FloatMatrix, Int64Array
from q2pt_tasks.model.inference import logits_of, probabilities_of
from q2pt_tasks.model.locale_dropout import LocaleTokens
from q2pt_tasks.model.locale_sampling import draw_rows
from q2pt_tasks.model.network import Network
from q2pt_tasks.model.objectives import OBJECTIVES, Objective
from q2pt_tasks.model.precision import Hardware
from q2pt_tasks.model.progress import track
from q2pt_tasks.model.recipe import Recipe
from q2pt_tasks.model.resume import Resume
from q2pt_tasks.model.training_state import Epoch, TrainingState, best_epoch
from q2pt_tasks.model.validation import OfBlock, Validation
from q2pt_tasks.model.vocabulary import OccurringTokens
from q2pt_tasks.model.workers import Workers, gradients

log = logging.getLogger(__name__)


class TrainingDivergedError(RuntimeError):
    """The loss is not a finite number."""


@dataclass(frozen=True)
class Trainer:
    """Everything that one training needs but the network and the learning rate.

    Attributes:
        occurring: the tokens of the data; all token ids below are trimmed ids among them.
        train: training queries, without locale tokens.
        validation: the queries that it is judged by.
        locale_tokens: what is put in front of the training queries.
        locale_temperature: how far the locales' parts in an epoch are levelled, as `draw_rows` takes it.
        unsold: (locales, product types) true where a locale's queries shall not count for a type; None for nowhere.
        workers: the processes that train together.
    """

    occurring: OccurringTokens
    train: Examples
    validation: Validation
    locale_tokens: LocaleTokens
    locale_temperature: float
    recipe: Recipe
    hardware: Hardware
    seed: int
    unsold: NDArray[np.bool_] | None = None
    workers: Workers = field(default_factory=Workers.alone)

    def fit(self, network: Network, learning_rate: float, resume: Resume) -> list[Epoch]:
        """Trains `network` and leaves it with the weights of its best epoch on validation.

        Returns:
            All epochs in order. The best is the first one of the highest average precision.

        Raises:
            TrainingDivergedError: the loss is not finite.
            TrainingStoppedError: the process was asked to end.
        """
        network.to(self.hardware.device)
        state = TrainingState(network, Adam(self._parameter_groups(network, learning_rate)))
        resume.restore(state)
        with resume.listening():
            while not self._is_over(state.epochs):
                self._train_epoch(state, resume)
                log.info("epoch %d: loss %.4f, validation average precision %.4f", *_figures(state.epochs[-1]))
        network.load_state_dict(state.best_weights)
        return state.epochs

    def _is_over(self, epochs: list[Epoch]) -> bool:
        is_stuck = bool(epochs) and len(epochs) - best_epoch(epochs).number >= self.recipe.patience
        return is_stuck or len(epochs) == self.recipe.max_epochs

    @property
    def objective(self) -> Objective:
        return OBJECTIVES[self.recipe.objective]

    @property
    def batch_size(self) -> int:
        return batch_size_for(len(self.train), self.recipe.batch_size, self.recipe.min_steps_per_epoch)

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(len(self.train) / self.batch_size)

    def _parameter_groups(self, network: Network, learning_rate: float) -> list[Group]:
        """The encoder at `learning_rate`, the layers above it faster: they start from nothing, it does not."""
        new = network.new_parameters()
        encoder = [parameter for parameter in network.parameters() if id(parameter) not in set(map(id, new))]
        return [Group(encoder, learning_rate), Group(new, learning_rate * self.recipe.head_factor)]

    def _learning_rate_share(self, step: int) -> float:
        """Linear warm-up from nothing, then linear decay to nothing at the end of `max_epochs`."""
        steps = self.steps_per_epoch * self.recipe.max_epochs
        warmup = self.recipe.warmup_share * steps
        return (step + 1) / (warmup + 1) if step < warmup else max(0.0, (steps - step) / max(1.0, steps - warmup))

    def _train_epoch(self, state: TrainingState, resume: Resume) -> None:
        """The steps of the epoch that are still to do, and its figures."""
        number = len(state.epochs) + 1
        generator = np.random.default_rng([self.seed, number])
        examples = self.locale_tokens.put_before(self.train, generator)
        drawn = draw_rows(examples.locales, self.locale_temperature, generator)
        left = islice(batches(drawn, self.batch_size), state.step, None)
        for rows in track(left, total=self.steps_per_epoch - state.step, name=f"epoch {number}"):
            state.network.train()
            self._step(state, examples, rows, resume)
            resume.after_step(state)
        state.end_epoch(Epoch(number, state.loss / len(examples), self._average_precision(state.network)))

    def _step(self, state: TrainingState, examples: Examples, rows: Int64Array, resume: Resume) -> None:
        steps_before = len(state.epochs) * self.steps_per_epoch + state.step
        loss = self._sum_gradients(state, examples, rows, resume)
        if not math.isfinite(loss):
            raise TrainingDivergedError(
                f"the loss is {loss} on a batch of {len(rows)} queries: lower the learning rate (learning_rates)"
            )
        state.optimizer.step(self._learning_rate_share(steps_before))
        state.end_step(loss)

    def _sum_gradients(self, state: TrainingState, examples: Examples, rows: Int64Array, resume: Resume) -> float:
        """Gradients of the mean loss of the batch, of all processes and pieces; returns its summed loss.

        Raises:
            TrainingStoppedError: a process was asked to end; the batch is given up.
        """
        # Summed over processes, so that all of them stop where one is asked to.
        loss, asked_to_end = torch.zeros(2, 1, dtype=torch.float64, device=self.hardware.device)
        # One region for the whole batch: what PyTorch converts for it is converted once, not for every piece.
        with self.hardware.autocast():
            for number, piece in self.workers.own(enumerate(self._pieces(examples, rows))):
                self._draw_for(len(state.epochs), state.step, number)
                loss += self._add_gradients(state.network, examples, piece, len(rows))
                if resume.is_asked_to_end and self.workers.count == 1:
                    break
        asked_to_end += resume.is_asked_to_end
        self.workers.add_up(chain([loss, asked_to_end], gradients(state.network.parameters())))
        if asked_to_end:
            resume.stop(state)
        return float(loss)

    def _pieces(self, examples: Examples, rows: Int64Array) -> Iterator[Piece]:
        """The batch in pieces that fit the cache, as many for each process."""
        return pieces_of(
            examples.tokens, rows, self.hardware.tokens_at_once(self.recipe.micro_tokens), self.workers.count
        )

    def _draw_for(self, *place: int) -> None:
        """Makes what is dropped depend on a piece's place alone: not on what ran before, nor on who computes it."""
        (seed,) = np.random.SeedSequence([self.seed, *place]).generate_state(1, np.uint64)
        torch.manual_seed(int(seed))

    def _add_gradients(self, network: Network, examples: Examples, piece: Piece, batch_size: int) -> float:
        """Adds the piece's part in the gradients of the mean loss of its batch; returns its summed loss."""
        loss = self._loss(network, examples, piece)
        with self.hardware.no_autocast():
            (loss / batch_size).backward()
        return loss.item()

    def _loss(self, network: Network, examples: Examples, piece: Piece) -> torch.Tensor:
        """The objective's loss of the piece, summed over its queries."""
        device = self.hardware.device
        logits = network(piece.tokens.to(device)).index_select(0, piece.inputs.to(device))
        shares = shares_of(examples, piece.rows, len(self.validation.product_types)).to(device)
        if self.unsold is not None:
            logits = mask_logits(logits, self.unsold[examples.locales[piece.rows]])
        return self.objective.loss(logits.float(), shares)

    def scored(self, logits: OfBlock) -> Iterable[Scored]:
        """The validation queries with what their logits mean."""

        def scores(block: range) -> FloatMatrix:
            found = probabilities_of(logits(block), self.objective)
            if self.unsold is None:
                return found
            return mask_scores(found, self.unsold[self.validation.examples.locales[block.start : block.stop]])

        return self.validation.scored(scores)

    def validation_logits(self, network: Network) -> OfBlock:
        """Logits of the validation queries, computed now; of each block every process computes its part."""

        def logits(block: range) -> FloatMatrix:
            rows = np.arange(block.start, block.stop)
            own = slice(self.workers.rank, None, self.workers.count)
            found = logits_of(network, self.validation.examples.tokens.select(rows[own]), self.hardware)
            return found if self.workers.count == 1 else self._together(found, own, len(rows))

        return self.validation.store(logits)

    def _together(self, found: FloatMatrix, own: slice, rows: int) -> FloatMatrix:
        """The logits of `rows` queries, of which this process found its `own`."""
        logits = np.zeros((rows, found.shape[1]), dtype=np.float32)
        logits[own] = found
        of_all = torch.from_numpy(logits).to(self.hardware.device)
        self.workers.add_up([of_all])
        return np.asarray(of_all.cpu().numpy())

    def _average_precision(self, network: Network) -> float:
        return pooled_curve(self.scored(self.validation_logits(network))).average_precision()


def _figures(epoch: Epoch) -> tuple[int, float, float]:
    return epoch.number, epoch.loss, epoch.average_precision
