"""The same few examples of every target each time; `make fuzz` has new ones for as long as it is told."""

import pytest
from fuzzing.target import Target
from fuzzing.targets import TARGETS
from hypothesis import HealthCheck, given, settings


@pytest.mark.timeout(120)
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_whatever_it_is_given_is_read_or_refused_in_words(target: Target) -> None:
    bounded = settings(
        max_examples=target.examples,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    bounded(given(target.given)(target.check))()
