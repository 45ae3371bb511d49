"""Progress of a long prediction: a bar in a terminal; in a log nothing, where each part has a line anyway."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm


@contextmanager
def row_bar(total: int, done: int) -> Iterator[Callable[[int], object]]:
    """A bar of rows on a terminal's standard error, lines of the log above it; the function moves it on by some rows.

    Args:
        total: rows of the input.
        done: rows that were there before.
    """
    bar = tqdm(total=total, initial=done, unit=" rows", unit_scale=True, leave=False, disable=not sys.stderr.isatty())
    with bar, logging_redirect_tqdm():
        yield bar.update
