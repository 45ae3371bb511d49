"""Several at once, in order, and with the first error."""

import threading
import time
from itertools import count

import pytest

from q2pt_tasks.threads import THREADS, side_by_side


def test_results_come_in_the_order_of_their_items() -> None:
    assert side_by_side(lambda number: number * number, range(50)) == [number * number for number in range(50)]
    assert side_by_side(str, []) == []


@pytest.mark.skipif(THREADS < 2, reason="one core works on one at a time")
def test_as_many_are_worked_on_at_once_as_there_are_threads() -> None:
    # Passed only when all of them wait for each other.
    together = threading.Barrier(THREADS, timeout=30)
    assert len(side_by_side(lambda _: together.wait(), range(THREADS))) == THREADS


def test_the_first_error_is_raised_and_what_had_not_begun_never_does() -> None:
    begun = count()

    def fail(number: int) -> None:
        next(begun)
        if number:
            time.sleep(0.01)
        raise ValueError(number)

    with pytest.raises(ValueError, match=r"^0$"):
        side_by_side(fail, range(1_000))
    assert next(begun) < 500
