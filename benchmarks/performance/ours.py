"""A contestant: this project's own training and prediction.

The only file here that knows how they are called, but for the stages' commands in `stages.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.performance.arithmetic import read_encoder_sizes, training_operations
from benchmarks.performance.asking import ask_at_once, ask_singly
from benchmarks.performance.clock import StepClock
from benchmarks.performance.rows import Ints, Rows, draw, load_rows
from benchmarks.performance.tasks import (
    Asking,
    Graded,
    Grading,
    Timed,
    Training,
    answer_command,
    peak_bytes,
)
from q2pt_tasks.layout import Layout
from q2pt_tasks.metrics.measurements import ALL_LOCALES, measure
from q2pt_tasks.metrics.scored import Scored
from q2pt_tasks.metrics.thresholds import PRECISION, choose_thresholds
from q2pt_tasks.model.adam import Adam
from q2pt_tasks.model.build import build_network, load_network
from q2pt_tasks.model.encoder import EncoderParams
from q2pt_tasks.model.examples import Examples, Packed
from q2pt_tasks.model.inference import score
from q2pt_tasks.model.int8 import Int8Linear, quantise
from q2pt_tasks.model.locale_dropout import LocaleTokens
from q2pt_tasks.model.metadata import load_metadata
from q2pt_tasks.model.network import Network
from q2pt_tasks.model.objectives import OBJECTIVES
from q2pt_tasks.model.packed_network import PackedNetwork
from q2pt_tasks.model.precision import Hardware, detect_hardware
from q2pt_tasks.model.prediction import Predictor
from q2pt_tasks.model.quick_prediction import QuickPredictor
from q2pt_tasks.model.recipe import ObjectiveName, Recipe
from q2pt_tasks.model.resume import Resume
from q2pt_tasks.model.tokenizer import QueryTokenizer, load_tokenizer
from q2pt_tasks.model.training import Trainer
from q2pt_tasks.model.validation import Validation
from q2pt_tasks.model.vocabulary import OccurringTokens, restore_words, trim_words
from q2pt_tasks.params import read_section
from q2pt_tasks.stages.train_unified import TrainUnifiedParams

# What the peers train for.
OBJECTIVE: ObjectiveName = "binary_cross_entropy"

# The locale is not read by the models that are asked here.
LOCALE = "en-US"
FP32 = Hardware(torch.device("cpu"), torch.float32, "asked for")


def train(task: Training) -> Timed:
    """Trains as the stages do: packed queries, the tokens that occur, the pieces of params.yaml."""
    clock = StepClock()
    after_each_step(clock.end_step)
    job = _Job.of(task)
    train_job(job)
    operations = training_operations(read_encoder_sizes(Path(task.model)), job.chosen.tokens.lengths)
    return Timed(
        ends=tuple(clock.ends),
        queries=len(job.chosen),
        operations=operations * (task.steps - 1) / task.steps,
        peak_bytes=peak_bytes(),
    )


@dataclass(frozen=True)
class _Job:
    """A training with its data and its network, ready to start."""

    task: Training
    chosen: Rows
    tokenizer: QueryTokenizer
    occurring: OccurringTokens
    network: Network

    @classmethod
    def of(cls, task: Training) -> "_Job":
        torch.manual_seed(task.seed)
        rows = load_rows(Path(task.rows))
        tokenizer = load_tokenizer(Path(task.model))
        # The tokens of all rows, as in a training on all of them: fewer would make the optimiser's work smaller.
        occurring = OccurringTokens.of(rows.tokens.values, np.array([tokenizer.pad_token]))
        chosen = rows.select(draw(len(rows), task.queries, task.seed))
        return cls(task, chosen, tokenizer, occurring, _network(task, tokenizer))


def train_job(job: _Job) -> None:
    """Trains, and keeps the model where the task says so."""
    full_table = trim_words(job.network, job.occurring)
    _trainer(job).fit(job.network, job.task.learning_rate, Resume.never())
    if job.task.save:
        restore_words(job.network, job.occurring, full_table)
        job.network.save(Path(job.task.save))
        job.tokenizer.save(Path(job.task.save))


def after_each_step(call: Callable[[], None]) -> None:
    """Calls `call` after each step of the optimiser."""
    step = Adam.step

    def step_and_call(optimizer: Adam, share: float) -> None:
        step(optimizer, share)
        call()

    setattr(Adam, "step", step_and_call)  # noqa: B010 - a type checker sees no method that may be assigned to


def _network(task: Training, tokenizer: QueryTokenizer) -> Network:
    """The checkpoint as an encoder to train, its head included."""
    types = load_metadata(Path(task.model)).product_types
    params = read_section(Layout().params, "encoder", EncoderParams)
    folder = Path(task.model).resolve()
    encoder = params.model_copy(update={"name": str(folder)})
    return build_network(encoder, folder, tokenizer, types, _recipe(task).dropout)


def _trainer(job: _Job) -> Trainer:
    names = tuple(map(str, range(job.chosen.types)))
    return Trainer(
        occurring=job.occurring,
        train=_examples(job.chosen, job.occurring),
        # Peers validate nothing: one query is the least that the trainer takes, and steps are timed without it.
        validation=Validation(_examples(job.chosen.select(np.arange(1)), job.occurring), (LOCALE,), names),
        locale_tokens=LocaleTokens.none(),
        locale_temperature=1.0,
        recipe=_recipe(job.task),
        hardware=detect_hardware(),
        seed=job.task.seed,
    )


def _recipe(task: Training) -> Recipe:
    """The params' own recipe, for one pass over the task's queries."""
    recipe = read_section(Layout().params, "train_unified", TrainUnifiedParams).pretrained
    changes = {
        "objective": OBJECTIVE,
        "learning_rates": (task.learning_rate,),
        "head_factor": task.head_factor,
        "batch_size": task.batch,
        "min_steps_per_epoch": 1,
        "warmup_share": task.warmup_share,
        "max_epochs": 1,
        "patience": 1,
    }
    return recipe.model_copy(update=changes)


def micro_tokens() -> int:
    """Tokens that training computes at once."""
    return read_section(Layout().params, "train_unified", TrainUnifiedParams).pretrained.micro_tokens


def _examples(rows: Rows, occurring: OccurringTokens) -> Examples:
    tokens = Packed(rows.tokens.values, rows.tokens.starts)
    labels = Packed(rows.labels.values, rows.labels.starts)
    shares = np.repeat(1 / np.maximum(labels.lengths, 1), labels.lengths).astype(np.float32)
    return Examples(occurring.trimmed(tokens), labels, shares, rows.locales)


def predict(task: Asking) -> Timed:
    """All queries at once: the types of each whose score reaches the threshold."""
    predictor = Predictor.load(Path(task.model))
    return ask_at_once(task, lambda texts: predictor.predict(texts, LOCALE))


def ask_one_by_one(task: Asking) -> Timed:
    """One call per query, as a service answers."""
    predictor = QuickPredictor.load(Path(task.model))
    return ask_singly(task, lambda text: predictor.predict([text], LOCALE))


def grade(task: Grading) -> Graded:
    """Grades a model's scores in fp32."""
    return _grade(task, FP32)


def grade_fastest(task: Grading) -> Graded:
    """Grades the scores of the runtime that prediction chooses by itself."""
    return _grade(task, detect_hardware())


def grade_quick(task: Grading) -> Graded:
    """Grades the scores of queries that are answered one by one."""
    network = load_network(Path(task.model))
    assert isinstance(network, PackedNetwork)  # noqa: S101 - of the benchmark's own checkpoints
    quantise(network, Int8Linear)
    return _graded(task, lambda rows: _scored(network, rows, [np.array([row]) for row in range(len(rows))], FP32))


def _grade(task: Grading, hardware: Hardware) -> Graded:
    network = load_network(Path(task.model))
    return _graded(task, lambda rows: _scored(network, rows, [np.arange(len(rows))], hardware))


def _graded(task: Grading, scored: Callable[[Rows], Scored]) -> Graded:
    validation, test = (scored(load_rows(Path(file))) for file in (task.validation, task.test))
    figures = measure([test], choose_thresholds([validation], PRECISION), PRECISION, task.min_support).measurements
    found = {figure.metric: figure for figure in figures if figure.locale == ALL_LOCALES}
    return Graded(
        **{name: found[name].value or 0.0 for name in Graded.FIGURES},
        types=found["macro_recall"].n,
    )


def _scored(network: Network, rows: Rows, together: Sequence[Ints], hardware: Hardware) -> Scored:
    """What the network says of all rows, those of each part of `together` computed at once."""
    tokens = Packed(rows.tokens.values, rows.tokens.starts)
    scores = np.concatenate([score(network, OBJECTIVES[OBJECTIVE], tokens.select(part), hardware) for part in together])
    targets = np.stack([rows.targets(index) > 0 for index in range(len(rows))])
    locales = tuple(str(locale) for locale in range(int(rows.locales.max()) + 1))
    return Scored(network.product_types, locales, rows.locales, scores, targets, np.ones(len(rows)))


if __name__ == "__main__":
    answer_command(
        {
            "train": (Training, train),
            "predict": (Asking, predict),
            "ask_singly": (Asking, ask_one_by_one),
            "grade": (Grading, grade),
            "grade_fastest": (Grading, grade_fastest),
            "grade_quick": (Grading, grade_quick),
        }
    )
