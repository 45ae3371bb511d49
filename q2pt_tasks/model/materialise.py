"""A checkpoint that holds only what changed becomes one that needs nothing else."""

import os
import tempfile
from pathlib import Path

from q2pt_tasks.model.checkpoint import load_checkpoint, save_checkpoint
from q2pt_tasks.model.metadata import CheckpointError


def materialise(model: Path, output: Path, encoder: Path | None = None) -> str:
    """Writes the checkpoint in `model` to `output` as a plain one; its scores are the same to the bit.

    Args:
        model: its directory.
        output: a directory that is not there yet.
        encoder: as `load_checkpoint` takes it.

    Raises:
        CheckpointError: `model` or its encoder does not fit, or `output` is there.
    """
    if output.exists():
        raise CheckpointError(f"{output} is there already: give a new directory, or remove it")
    checkpoint = load_checkpoint(model, encoder)
    output.parent.mkdir(parents=True, exist_ok=True)
    # In one step: a process that is killed leaves no half.
    with tempfile.TemporaryDirectory(dir=output.parent) as unfinished:
        save_checkpoint(Path(unfinished) / "checkpoint", checkpoint)
        os.replace(Path(unfinished) / "checkpoint", output)
    size = sum(file.stat().st_size for file in output.iterdir()) / 2**20
    metadata = checkpoint.metadata
    return f"{output}: {metadata.variant} of {', '.join(metadata.locales)}, {size:.1f} MiB"
