"""Many tests at once: p-values corrected so that the chance of any false alarm stays what one test would have."""

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values corrected by Holm's step-down method (Holm 1979), in their order; valid whatever their dependence.

    A test is rejected at a level where its corrected value is at most the level.

    Raises:
        ValueError: one is not between 0 and 1.
    """
    if not all(0 <= value <= 1 for value in p_values):
        raise ValueError(f"p-values lie between 0 and 1, found {list(p_values)}")
    corrected = [0.0] * len(p_values)
    reached = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        reached = max(reached, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = reached
    return corrected
