"""How long a model takes for one query alone, as a service asks it.

A time is of the machine and of what else it does: the only figure here that another run of the same evaluation changes.
"""

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter

from q2pt_tasks.model.quick_prediction import Int8Predictor
from q2pt_tasks.model.truth import Truth


def median_milliseconds(folder_of: Callable[[str], Path | None], asked: Sequence[tuple[str, str]]) -> float | None:
    """The median over queries, from text to product types.

    Args:
        folder_of: the checkpoint of each locale; None where it has none, whose queries are not asked.
        asked: queries with their locales.

    Returns:
        None where no query can be asked.

    Raises:
        CheckpointError: a checkpoint does not keep its contract.
    """
    folders = {locale: folder for _, locale in asked if (folder := folder_of(locale)) is not None}
    predictors = {folder: Int8Predictor.load(folder) for folder in dict.fromkeys(folders.values())}
    answered = [(query, locale) for query, locale in asked if locale in folders]
    for query, locale in answered:
        # Once before the clock runs: kernels are made for the shapes of their first matrices.
        predictors[folders[locale]].predict([query], locale)
    seconds = []
    for query, locale in answered:
        started = perf_counter()
        predictors[folders[locale]].predict([query], locale)
        seconds.append(perf_counter() - started)
    return 1000 * statistics.median(seconds) if seconds else None


def queries_to_time(truth: Truth, count: int) -> list[tuple[str, str]]:
    """Up to `count` test queries with their locales, at equal steps over all of them: the same in every run."""
    every = [(query, locale) for locale in truth.locales for query in truth.tables["test"][locale]["query"].to_pylist()]
    step = max(1, len(every) // count)
    return every[::step][:count]
