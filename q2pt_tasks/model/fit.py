"""One training from tokens to a finished checkpoint: what both training stages share."""

import hashlib
import json
import logging
import shutil
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeGuard

import numpy as np
import torch

from q2pt_tasks.metrics.curves import pooled_curve
from q2pt_tasks.metrics.thresholds import PRECISION, Thresholds, choose_thresholds
from q2pt_tasks.model.assortment import unsold_table
from q2pt_tasks.model.beside import Beside, fit_beside
from q2pt_tasks.model.build import build_network
from q2pt_tasks.model.checkpoint import Checkpoint, save_changes, save_checkpoint
from q2pt_tasks.model.delta import round_matrices
from q2pt_tasks.model.examples import FloatMatrix
from q2pt_tasks.model.job import FitJob, FitReport
from q2pt_tasks.model.locale_dropout import LocaleTokens
from q2pt_tasks.model.metadata import CENSUS, Metadata, NGramsBeside, save_metadata
from q2pt_tasks.model.network import Network, start_from_bias
from q2pt_tasks.model.packed_network import PackedNetwork
from q2pt_tasks.model.precision import detect_hardware
from q2pt_tasks.model.resume import Resume, resume_of
from q2pt_tasks.model.text_parts import FORM
from q2pt_tasks.model.tokenizer import QueryTokenizer, load_tokenizer
from q2pt_tasks.model.training import Trainer
from q2pt_tasks.model.training_data import TrainingData, read_data
from q2pt_tasks.model.training_state import Epoch, best_epoch
from q2pt_tasks.model.validation import OfBlock, Validation
from q2pt_tasks.model.variants import NON_UNIFIED, UNIFIED_AWARE, UNKNOWN_LOCALE_TOKEN, locale_token, locale_tokens
from q2pt_tasks.model.vocabulary import OccurringTokens, restore_words, trim_words
from q2pt_tasks.model.workers import Workers, join_workers

log = logging.getLogger(__name__)


def fit(job: FitJob, folder: Path) -> FitReport:
    """Trains the model of `job` and writes its checkpoint to `folder`.

    A model with too little data becomes a checkpoint without weights, so that one store cannot stop the others. Where
    `torchrun` has started several processes they train it together, and the first one writes.

    Raises:
        TrainingStoppedError: the process was asked to end; the next call with the same job goes on where it stood.
        TrainingDivergedError: the loss is not finite.
        EncoderNotFoundError: the encoder cannot be loaded.
    """
    started = time.monotonic()
    workers = join_workers()
    if workers.is_leader:
        shutil.rmtree(folder, ignore_errors=True)
    data = read_data(job)
    metadata = _metadata(job, data)
    if lack := data.lack(job.recipes.min_train_rows):
        log.warning("%s %s: not trained: %s", job.variant, ", ".join(job.locales), lack)
        if workers.is_leader:
            _keep_census(job, folder)
            save_metadata(folder, replace(metadata, status="untrained", reason=lack))
        return FitReport(job.variant, job.locales, "untrained", len(data.train), 0, None, 0.0)
    trained = _train(job, data, metadata, workers)
    seconds = round(time.monotonic() - started, 1)
    metadata = replace(trained.checkpoint.metadata, seconds=seconds)
    if workers.is_leader:
        _save(job, folder, replace(trained.checkpoint, metadata=metadata))
    for resume in trained.resumes:
        resume.forget()
    epochs = trained.epochs
    quality = metadata.metrics["average_precision"]
    return FitReport(job.variant, job.locales, metadata.status, len(data.train), len(epochs), quality, seconds)


def _save(job: FitJob, folder: Path, checkpoint: Checkpoint) -> None:
    _keep_census(job, folder)
    if _keeps_changes(checkpoint.network, job):
        save_changes(folder, checkpoint, job.encoder_files)
    else:
        save_checkpoint(folder, checkpoint)


def _keep_census(job: FitJob, folder: Path) -> None:
    """Copies it, before the metadata makes the folder a checkpoint: later nights compare their data with it."""
    if job.census:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(job.census, folder / CENSUS)


def _keeps_changes(network: Network, job: FitJob) -> TypeGuard[PackedNetwork]:
    """Whether the checkpoint shall hold only what changed: there are many per-locale models, of one encoder."""
    return job.variant == NON_UNIFIED and not job.encoder.is_scratch and isinstance(network, PackedNetwork)


def _metadata(job: FitJob, data: TrainingData) -> Metadata:
    files = [*sorted(job.tokens.glob("*.parquet")), job.label_space, *([job.assortment] if job.assortment else [])]
    return Metadata(
        variant=job.variant,
        locales=tuple(job.locales),
        product_types=data.product_types,
        status="trained",
        reason="",
        training_rows=len(data.train),
        max_tokens=job.encoder.max_tokens,
        objective=job.recipe.objective,
        split=data.split,
        unsold=data.unsold,
        params=job.params,
        git_sha=_git_sha(),
        data_hashes=_hashes(files),
        thresholds=Thresholds({}, {}, np.inf).to_dict(),
        metrics={},
        history=(),
        seconds=0.0,
    )


def _hashes(files: Iterable[Path]) -> dict[str, str]:
    """The MD5 of each file by its name."""
    found = {}
    for file in files:
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False))
        found[file.name] = digest.hexdigest()
    return found


def _git_sha() -> str:
    command = ["git", "rev-parse", "--verify", "--quiet", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603


@dataclass(frozen=True)
class _Trained:
    """The best of a job's trainings, and the states of all of them, of use until it is saved."""

    checkpoint: Checkpoint
    epochs: list[Epoch]
    resumes: Sequence[Resume]


def _train(job: FitJob, data: TrainingData, metadata: Metadata, workers: Workers) -> _Trained:
    """Trains with each learning rate and keeps the best on validation."""
    tokenizer = load_tokenizer(job.tokens / "tokenizer")
    tokens = _add_locale_tokens(job, tokenizer)
    trainer = replace(_trainer(job, data, tokens, tokenizer.pad_token), workers=workers)
    log.info("%s: batches of %d, %s", job.variant, trainer.batch_size, trainer.hardware)
    resumes = [
        resume_of(partial(_key, metadata, job, trainer, rate), workers) for rate in trainer.recipe.learning_rates
    ]
    # One by one: the logits of the best so far alone are kept.
    candidates = (
        _fit_candidate(job, data, tokenizer, trainer, rate, resume)
        for rate, resume in zip(trainer.recipe.learning_rates, resumes, strict=True)
    )
    best = max(candidates, key=lambda candidate: best_epoch(candidate.epochs).average_precision)
    beside = fit_beside(job, data, trainer, best.logits)
    completed = _completed(metadata, data, trainer, best, beside)
    return _Trained(Checkpoint(completed, best.network, tokenizer, beside.ngrams), best.epochs, resumes)


def _key(metadata: Metadata, job: FitJob, trainer: Trainer, learning_rate: float) -> str:
    """Names this training by all that it depends on: the same in every clone of the commit."""
    rooms = (Path(__file__).parent, Path(__file__).parents[1] / "metrics")
    code = [file.read_bytes() for room in rooms for file in sorted(room.glob("*.py"))]
    asked = {
        "code": hashlib.sha256(b"".join(code)).hexdigest(),
        "variant": job.variant,
        "locales": list(job.locales),
        "data": dict(metadata.data_hashes),
        "encoder": _hashes(sorted(file for file in job.encoder_files.glob("*") if file.is_file())),
        "params": dict(job.params),
        "seed": job.seed,
        "learning rate": learning_rate,
        "hardware": [str(trainer.hardware.dtype), trainer.hardware.device.type, trainer.workers.count],
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _add_locale_tokens(job: FitJob, tokenizer: QueryTokenizer) -> LocaleTokens:
    """Adds the locale tokens to the tokenizer where the variant is told the locale."""
    if job.variant != UNIFIED_AWARE:
        return LocaleTokens.none()
    tokenizer.add(locale_tokens(job.locales))
    ids = np.array([tokenizer.id_of(locale_token(locale)) for locale in job.locales])
    return LocaleTokens(ids, tokenizer.id_of(UNKNOWN_LOCALE_TOKEN), job.locale_dropout)


def _trainer(job: FitJob, data: TrainingData, tokens: LocaleTokens, pad_token: int) -> Trainer:
    occurring = OccurringTokens.of(
        data.train.tokens.values, data.validation.tokens.values, tokens.all_ids, np.array([pad_token])
    )
    validation = tokens.put_before_all(data.validation)
    validation = replace(validation, tokens=occurring.trimmed(validation.tokens))
    return Trainer(
        occurring=occurring,
        train=replace(data.train, tokens=occurring.trimmed(data.train.tokens)),
        validation=Validation(validation, tuple(job.locales), data.product_types),
        locale_tokens=tokens.trimmed(occurring),
        locale_temperature=job.locale_temperature,
        recipe=job.recipe,
        hardware=detect_hardware(),
        seed=job.seed,
        unsold=unsold_table(data.unsold, job.locales, data.product_types) if job.assortment else None,
    )


@dataclass(frozen=True)
class _Candidate:
    """A network trained with one learning rate, and its logits on validation."""

    learning_rate: float
    network: Network
    epochs: list[Epoch]
    logits: OfBlock


def _fit_candidate(
    job: FitJob, data: TrainingData, tokenizer: QueryTokenizer, trainer: Trainer, learning_rate: float, resume: Resume
) -> _Candidate:
    torch.manual_seed(job.seed)
    log.info("learning rate %g", learning_rate)
    network = build_network(job.encoder, job.encoder_files, tokenizer, data.product_types, trainer.recipe.dropout)
    if trainer.recipe.prior_bias:
        start_from_bias(network, data.bias(trainer.objective))
    full_table = trim_words(network, trainer.occurring)
    epochs = trainer.fit(network, learning_rate, resume)
    if _keeps_changes(network, job):
        # The thresholds are to be those of the weights that are stored.
        round_matrices(network)
    logits = trainer.validation_logits(network)
    network.to("cpu")
    restore_words(network, trainer.occurring, full_table)
    return _Candidate(learning_rate, network, epochs, logits)


def _completed(metadata: Metadata, data: TrainingData, trainer: Trainer, best: _Candidate, beside: Beside) -> Metadata:
    """The metadata with what validation says of the trained model."""
    curve = pooled_curve(beside.scored)
    average_precision = curve.average_precision()
    prior_precision = pooled_curve(trainer.validation.scored(_always(data.priors))).average_precision()
    is_degenerate = average_precision <= prior_precision
    reason = f"validation average precision {average_precision:.4f}, that of the majority class {prior_precision:.4f}"
    return replace(
        metadata,
        status="degenerate" if is_degenerate else "trained",
        reason=reason if is_degenerate else "",
        thresholds=choose_thresholds(beside.scored, PRECISION).to_dict(),
        metrics={
            "average_precision": average_precision,
            "majority_average_precision": prior_precision,
            "micro_recall": curve.recall_at(PRECISION),
            "learning_rate": best.learning_rate,
        },
        history=tuple(
            {"epoch": e.number, "loss": e.loss, "average_precision": e.average_precision} for e in best.epochs
        ),
        ngrams=NGramsBeside(weight=beside.weight, form=FORM, longest=beside.ngrams.longest) if beside.ngrams else None,
    )


def _always(priors: np.ndarray) -> OfBlock:
    """The scores of the majority class: the same for every query."""
    scores = priors.astype(np.float32)

    def of_block(block: range) -> FloatMatrix:
        return np.broadcast_to(scores, (len(block), len(scores)))

    return of_block
