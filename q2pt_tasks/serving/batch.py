"""Predictions for files of any size: read, answered and written part by part, to be taken up again wherever it ended.

Rows keep their order and all of their columns. A row whose query is missing or blank has no product types; a locale
that is missing, malformed, or that the model does not serve is refused with its row, before the first part.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pyarrow as pa

from q2pt_tasks.registry.opening import OpenedRelease
from q2pt_tasks.serving.answered_table import add_answers
from q2pt_tasks.serving.input_files import InputError, check_rows, describe, list_input, read_parts
from q2pt_tasks.serving.manifest import Manifest, Part, differences, plan
from q2pt_tasks.serving.output_folder import OutputError, begin, finish, is_begun, locked, missing_parts, write_part
from q2pt_tasks.serving.progress import row_bar
from q2pt_tasks.serving.release_predictor import ReleasePredictor

# A minute of work for a large encoder on two cores, and a few megabytes of memory.
PART_ROWS = 65_536

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BatchJob:
    """A release, the Parquet file or folder of files to answer, the folder for the answers."""

    model: OpenedRelease
    input: Path
    output: Path
    part_rows: int = PART_ROWS

    def __post_init__(self) -> None:
        if self.part_rows < 1:
            raise ValueError(f"part_rows is 1 or more, found {self.part_rows}")


@dataclass(frozen=True)
class BatchReport:
    """What a run left.

    Attributes:
        rows: rows of all parts.
        parts: all parts.
        parts_before: those that were there when the run began.
    """

    rows: int
    parts: int
    parts_before: int

    def __str__(self) -> str:
        before = f", {self.parts_before:,} of them there before" if self.parts_before else ""
        return f"{self.rows:,} rows in {self.parts:,} parts{before}"


def predict_files(job: BatchJob) -> BatchReport:
    """Answers every row of the input, or those that an earlier run of the same job left.

    Raises:
        CheckpointError: the model cannot be loaded.
        InputError: the input cannot be read, or a row of it cannot be answered.
        OutputError: the output is another run's or cannot be written.
    """
    _refuse_overlap(job)
    predictor = ReleasePredictor(job.model)
    log.info("reading %s, to know it by its content", job.input)
    manifest = _plan(job)
    if not manifest.parts:
        raise InputError(f"{job.input} holds no rows: give files with queries")
    with locked(job.output):
        if not is_begun(job.output, manifest):
            for file in list_input(job.input):
                check_rows(file, predictor.check_locale)
        missing = missing_parts(job.output, manifest)
        if missing:
            begin(job.output, manifest)
            _write(job, manifest, missing, predictor)
            _refuse_change(manifest, _plan(job))
        finish(job.output)
    return BatchReport(manifest.rows, len(manifest.parts), len(manifest.parts) - len(missing))


def _plan(job: BatchJob) -> Manifest:
    files = [describe(job.input, file) for file in list_input(job.input)]
    return plan(job.model.hash, job.part_rows, files)


def _refuse_change(before: Manifest, now: Manifest) -> None:
    if changes := differences(before, now):
        raise InputError(f"it changed while it was read: {'; '.join(changes)}: run again with another --output")


def _refuse_overlap(job: BatchJob) -> None:
    if job.output.resolve().is_relative_to(job.input.resolve()):
        raise OutputError(f"{job.output} lies in the input {job.input}, and would be input next time: give another one")


def _write(job: BatchJob, manifest: Manifest, missing: Sequence[Part], predictor: ReleasePredictor) -> None:
    done = manifest.rows - sum(part.rows for part in missing)
    with row_bar(manifest.rows, done) as advance:
        for part, table in _tables(job.input, missing):
            started = time.monotonic()
            write_part(add_answers(table, predictor, advance), job.output / part.name)
            rate = part.rows / (time.monotonic() - started)
            log.info("%s (of %d): %d rows, %.0f a second", part.name, len(manifest.parts), part.rows, rate)


def _tables(place: Path, parts: Sequence[Part]) -> Iterator[tuple[Part, pa.Table]]:
    for name, of_file in groupby(parts, lambda part: part.file):
        yield from read_parts(place if place.is_file() else place / name, list(of_file))
