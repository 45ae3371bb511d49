"""Twenty stores' models of one encoder take the bytes of a few whole ones."""

import pytest
from checkpoint_bytes import ENCODERS, LOCALES, measure


# Writes a checkpoint of half a gigabyte.
@pytest.mark.slow
@pytest.mark.parametrize("name", list(ENCODERS))
def test_all_per_locale_models_take_at_most_seven_times_the_bytes_of_one_unified_model(name: str) -> None:
    found = measure(ENCODERS[name], rows=6000)
    assert found.ratio < found.ratio_with_encoder <= 7 < LOCALES
