"""Progress for people: a bar in a terminal, nothing in a log, where each epoch has a line anyway."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def track(items: Iterable[T], *, total: int, name: str) -> Iterator[T]:
    """`items` as they are, with a bar on a terminal's standard error."""
    yield from tqdm(items, total=total, desc=name, leave=False, disable=not sys.stderr.isatty())
