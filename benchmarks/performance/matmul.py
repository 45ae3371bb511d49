"""A contestant: bf16 matrix products alone, at the shapes that a training's micro-batch has."""

import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.nn import functional

from benchmarks.performance.arithmetic import FORWARD_AND_BACKWARD, Product, forward_products, read_encoder_sizes
from benchmarks.performance.tasks import Multiplying, Timed, answer_command, peak_bytes

_WARMUPS = 3


def multiply(task: Multiplying) -> Timed:
    """Seconds and operations of all products of one micro-batch, forward and backward."""
    products = forward_products(read_encoder_sizes(Path(task.model)), task.queries, task.tokens)
    torch.manual_seed(task.seed)
    seconds = sum(_seconds(product, task.seconds) * product.count for product in products)
    operations = FORWARD_AND_BACKWARD * sum(product.operations for product in products)
    return Timed(ends=(0.0, seconds), queries=task.queries, operations=operations, peak_bytes=peak_bytes())


def _seconds(product: Product, at_least: float) -> float:
    """Of the product itself and the two of its backward pass, once each."""
    given = torch.randn(product.rows, product.inputs).bfloat16()
    weight = torch.randn(product.outputs, product.inputs).bfloat16()
    gradient = torch.randn(product.rows, product.outputs).bfloat16()
    return (
        _timed(lambda: functional.linear(given, weight), at_least)
        + _timed(lambda: gradient @ weight, at_least)
        + _timed(lambda: gradient.t() @ given, at_least)
    )


def _timed(work: Callable[[], torch.Tensor], at_least: float) -> float:
    """Mean seconds of `work`, repeated for `at_least` seconds."""
    for _ in range(_WARMUPS):
        work()
    started, times = time.perf_counter(), 0
    while time.perf_counter() - started < at_least:
        work()
        times += 1
    return (time.perf_counter() - started) / times


if __name__ == "__main__":
    answer_command({"multiply": (Multiplying, multiply)})
