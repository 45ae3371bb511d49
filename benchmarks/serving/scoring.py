"""Without a network: the plain loop, and what a batch takes in bf16 and in int8. Run in a process of its own."""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.serving.load import percentiles
from q2pt_tasks.model.checkpoint import load_checkpoint
from q2pt_tasks.model.examples import FloatMatrix
from q2pt_tasks.model.precision import Hardware
from q2pt_tasks.model.prediction import Predictor
from q2pt_tasks.model.quick_prediction import Int8Predictor, QuickPredictor

_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
# Queries of each size that are timed, and of those whose answers are compared.
_TIMED, _COMPARED = 128, 320


def plain_loop(model: Path, queries: Sequence[str], locale: str, seconds: float) -> dict[str, object]:
    """`Predictor`, one query after the other."""
    predictor = Predictor.load(model)
    for query in queries[:20]:
        predictor.predict([query], locale)
    taken, start = list[float](), time.perf_counter()
    while (began := time.perf_counter()) < start + seconds:
        predictor.predict([queries[len(taken) % len(queries)]], locale)
        taken.append(1000 * (time.perf_counter() - began))
    return {"a_second": len(taken) / seconds, "milliseconds": percentiles(taken)}


def batches(model: Path, queries: Sequence[str], locale: str) -> dict[str, object]:
    """Milliseconds of a batch by its size, and how many answers differ from those of fp32."""
    fp32 = Predictor(load_checkpoint(model), Hardware(torch.device("cpu"), torch.float32, "to compare with"))
    ways: dict[str, Predictor] = {
        "bf16": Predictor.load(model),
        "int8, each alone": QuickPredictor.load(model),
        "int8": Int8Predictor.load(model),
    }
    compared = list(dict.fromkeys(queries))[:_COMPARED]
    exact = _meant(fp32, compared, locale, len(compared))
    found: dict[str, object] = {}
    for name, predictor in ways.items():
        found[name] = {
            "milliseconds": {size: _milliseconds(predictor, queries, locale, size) for size in _SIZES},
            "other_answers": {
                size: float((_meant(predictor, compared, locale, size) != exact).any(1).mean()) for size in (1, 8, 32)
            },
        }
    return found


def _milliseconds(predictor: Predictor, queries: Sequence[str], locale: str, size: int) -> float:
    pieces = [queries[start : start + size] for start in range(0, min(len(queries), max(_TIMED, 5 * size)), size)]
    predictor.judge(pieces[0], [locale] * size)
    return 1000 * float(np.median([_seconds(predictor, piece, locale) for piece in pieces]))


def _seconds(predictor: Predictor, queries: Sequence[str], locale: str) -> float:
    start = time.perf_counter()
    predictor.judge(queries, [locale] * len(queries))
    return time.perf_counter() - start


def _meant(predictor: Predictor, queries: Sequence[str], locale: str, size: int) -> FloatMatrix:
    """Which types are above their limits, (queries, types), asked `size` at a time."""
    parts = [queries[start : start + size] for start in range(0, len(queries), size)]
    judged = [predictor.judge(part, [locale] * len(part)) for part in parts]
    return np.concatenate([one.scores[one.score_rows] >= one.limits[one.limit_rows] for one in judged])


def main() -> None:
    part, model, file, locale = sys.argv[1:]
    queries = Path(file).read_text(encoding="utf-8").splitlines()
    found = plain_loop(Path(model), queries, locale, 10) if part == "plain" else batches(Path(model), queries, locale)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
