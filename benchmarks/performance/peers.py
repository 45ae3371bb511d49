"""The peers: Hugging Face's `Trainer` and `pipeline`, in an environment of their own, which has `accelerate`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch.nn import functional
from torch.optim.optimizer import register_optimizer_step_post_hook
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    PreTrainedModel,
    Trainer,
    TrainingArguments,
    pipeline,
)
from transformers.modeling_outputs import SequenceClassifierOutput
from transformers.trainer_pt_utils import LengthGroupedSampler

from benchmarks.performance.asking import ask_at_once, ask_singly
from benchmarks.performance.clock import StepClock
from benchmarks.performance.rows import Ints, Rows, draw, load_rows, thin
from benchmarks.performance.tasks import (
    Asking,
    Timed,
    Training,
    answer_command,
    learning_rate_share,
    peak_bytes,
)

# The layers above the encoder, by their names in any architecture that is measured here.
_NEW_LAYERS = {"classifier", "pre_classifier", "pooler"}


class Examples(torch.utils.data.Dataset[Mapping[str, object]]):
    """Tokenised queries in memory; a batch pads them."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Mapping[str, object]:
        return {"input_ids": self._rows.tokens.of(index).tolist(), "labels": self._rows.targets(index)}


def train_defaults(task: Training) -> Timed:
    """What a user gets who names nothing but the batch size."""
    rows = load_rows(Path(task.rows))
    chosen = rows.select(draw(len(rows), task.queries, task.seed))
    arguments = TrainingArguments(
        **_surroundings(task), max_steps=task.steps, per_device_train_batch_size=task.batch, seed=task.seed
    )
    return _train(_trainer(task, chosen, arguments), len(chosen))


def train_tuned(task: Training) -> Timed:
    """In bf16 and grouped by length, with the gradients of several pieces added up where a batch has them.

    Batches are those of the library's own sampler over all rows, evenly thinned: over the few rows of a short run it
    would group less well than over an epoch.
    """
    rows = load_rows(Path(task.rows))
    chosen = rows.select(_grouped(rows, task))
    arguments = TrainingArguments(
        **_surroundings(task), **_tuned(task), max_steps=task.steps, train_sampling_strategy="sequential"
    )
    return _train(_trainer(task, chosen, arguments), len(chosen))


def train_alike(task: Training) -> Timed:
    """In bf16 with this project's loss, optimiser, schedule and random order; keeps the model.

    Grouped by length, as the tuned training is, it would learn less from the same examples: batches of one length are
    no fair draw of them.
    """
    rows = load_rows(Path(task.rows))
    chosen = rows.select(draw(len(rows), task.queries, task.seed))
    arguments = TrainingArguments(
        **_surroundings(task),
        **_tuned(task),
        max_steps=task.steps,
        train_sampling_strategy="random",
        max_grad_norm=0.0,
    )
    model = _model(task)
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=Examples(chosen),
        data_collator=_collator(task),
        compute_loss_func=_loss,
        optimizers=_optimizer_and_schedule(task, model),
    )
    timed = _train(trainer, len(chosen))
    trainer.save_model(task.save)
    return timed


def _surroundings(task: Training) -> dict[str, Any]:
    """Nothing is reported, saved or drawn."""
    return {
        "output_dir": str(Path(task.model).parent / "trainer"),
        "report_to": "none",
        "save_strategy": "no",
        "disable_tqdm": True,
        "use_cpu": True,
    }


def _tuned(task: Training) -> dict[str, Any]:
    return {
        "bf16": True,
        "per_device_train_batch_size": task.piece,
        "gradient_accumulation_steps": task.batch // task.piece,
        "seed": task.seed,
    }


def _grouped(rows: Rows, task: Training) -> Ints:
    """The rows of an epoch's batches, evenly thinned."""
    generator, lengths = torch.Generator().manual_seed(task.seed), rows.tokens.lengths
    sampler = LengthGroupedSampler(task.batch, lengths=lengths.tolist(), generator=generator)
    return thin(np.array(list(sampler)), lengths, task.piece, task.queries // task.piece)


def _trainer(task: Training, chosen: Rows, arguments: TrainingArguments) -> Trainer:
    return Trainer(model=_model(task), args=arguments, train_dataset=Examples(chosen), data_collator=_collator(task))


def _model(task: Training) -> PreTrainedModel:
    torch.manual_seed(task.seed)
    model = AutoModelForSequenceClassification.from_pretrained(
        task.model, problem_type="multi_label_classification", dtype=torch.float32
    )
    return cast(PreTrainedModel, model)


def _collator(task: Training) -> DataCollatorWithPadding:
    return DataCollatorWithPadding(AutoTokenizer.from_pretrained(task.model))


def _train(trainer: Trainer, queries: int) -> Timed:
    clock = StepClock()
    register_optimizer_step_post_hook(lambda *_: clock.end_step())
    trainer.train()
    return Timed(ends=tuple(clock.ends), queries=queries, peak_bytes=peak_bytes())


def _loss(outputs: SequenceClassifierOutput, labels: torch.Tensor, num_items_in_batch: object = None) -> torch.Tensor:  # noqa: ARG001 - the library passes it
    """Cross-entropy summed over product types, mean over queries."""
    if outputs.logits is None:
        raise ValueError("the model gave no logits")
    total = functional.binary_cross_entropy_with_logits(outputs.logits.float(), labels, reduction="sum")
    return total / len(labels)


def _optimizer_and_schedule(
    task: Training, model: PreTrainedModel
) -> tuple[torch.optim.Adam, torch.optim.lr_scheduler.LambdaLR]:
    parameters = dict(model.named_parameters())
    new = {name for name in parameters if _NEW_LAYERS & set(name.split("."))}
    groups = [
        {"params": [parameters[name] for name in parameters if name not in new], "lr": task.learning_rate},
        {"params": [parameters[name] for name in new], "lr": task.learning_rate * task.head_factor},
    ]
    optimizer = torch.optim.Adam(groups, fused=True)
    return optimizer, torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: learning_rate_share(step, task.steps, task.warmup_share)
    )


def predict_defaults(task: Asking) -> Timed:
    """What a user gets who gives a list of queries to the pipeline: one after the other, the best type of each."""
    return ask_at_once(task, pipeline("text-classification", model=task.model))


def predict_tuned(task: Asking) -> Timed:
    """In bf16, `piece` queries at a time."""
    classify = pipeline("text-classification", model=task.model, dtype=torch.bfloat16, batch_size=task.piece)
    return ask_at_once(task, classify)


def ask_one_by_one(task: Asking) -> Timed:
    """A pipeline with its defaults, one call per query."""
    return ask_singly(task, pipeline("text-classification", model=task.model))


if __name__ == "__main__":
    answer_command(
        {
            "train_defaults": (Training, train_defaults),
            "train_tuned": (Training, train_tuned),
            "train_alike": (Training, train_alike),
            "predict_defaults": (Asking, predict_defaults),
            "predict_tuned": (Asking, predict_tuned),
            "ask_singly": (Asking, ask_one_by_one),
        }
    )
