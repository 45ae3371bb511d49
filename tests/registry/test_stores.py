"""Stores beside the champion: who is shown to be worse, who not to be, and how seldom that is a false alarm."""

import numpy as np

from q2pt_tasks.registry.evidence import Difference
from q2pt_tasks.registry.stores import compare_stores


def difference(locale: str, value: float, standard_error: float) -> Difference:
    room = 1.96 * standard_error
    return Difference(
        "unified_aware",
        "test",
        locale,
        "micro_recall",
        own=0.5 + value,
        champion=0.5,
        n=100,
        value=value,
        low=value - room,
        high=value + room,
        standard_error=standard_error,
    )


def differences(values: dict[str, tuple[float, float]]) -> dict[str, Difference]:
    return {locale: difference(locale, *figures) for locale, figures in values.items()}


def test_a_large_store_is_shown_either_way_and_a_small_one_neither() -> None:
    found = compare_stores(
        differences({"de-DE": (-0.10, 0.01), "fr-FR": (0.02, 0.01), "sv-SE": (-0.08, 0.05)}), tolerance=0.03
    )
    assert found.worse == ["de-DE"]
    assert found.not_worse == ["fr-FR"]
    assert found.lowest.locale == "de-DE"


def test_among_many_stores_one_must_be_further_below_to_be_called_worse() -> None:
    suspicious = {"sv-SE": (-0.068, 0.02)}
    others = {f"x{index}": (0.0, 0.02) for index in range(19)}
    assert compare_stores(differences(suspicious), 0.03).worse == ["sv-SE"]
    assert compare_stores(differences(suspicious | others), 0.03).worse == []


def test_where_no_store_is_worse_one_is_seldom_called_so() -> None:
    random = np.random.default_rng(0)
    alarms = 0
    for _ in range(400):
        # All at the edge of the tolerance: the hardest case.
        values = {f"x{index}": (-0.03 + 0.02 * random.standard_normal(), 0.02) for index in range(20)}
        alarms += bool(compare_stores(differences(values), 0.03).worse)
    assert alarms <= 34


def test_without_any_spread_the_difference_itself_decides() -> None:
    values = {"de-DE": (0.0, 0.0), "fr-FR": (-0.03, 0.0), "sv-SE": (-0.031, 0.0)}
    found = compare_stores(differences(values), 0.03)
    assert found.worse == ["sv-SE"]
