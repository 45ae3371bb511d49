"""Scored refuses what does not fit together, and selects and joins queries without mixing them up."""

from typing import Any

import numpy as np
import pytest

from q2pt_tasks.metrics.scored import Scored, ScoredError, concatenate


def scored(**changes: object) -> Scored:
    fields: dict[str, Any] = {
        "types": ("SHOES", "HAT"),
        "locales": ("de-DE", "sv-SE"),
        "locale": np.array([0, 1, 0]),
        "scores": np.array([[0.9, 0.1], [0.2, -np.inf], [0.3, 0.4]], dtype=np.float32),
        "targets": np.array([[True, False], [False, True], [True, True]]),
        "weights": np.array([1.0, 2.0, 3.0]),
    }
    return Scored(**(fields | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scores": np.zeros((3, 3), dtype=np.float32)}, r"scores is \(3, 3\)"),
        ({"scores": np.zeros((3, 2))}, "expected float32"),
        ({"scores": np.full((3, 2), np.nan, dtype=np.float32)}, "NaN"),
        ({"scores": np.full((3, 2), np.inf, dtype=np.float32)}, "NaN or \\+inf"),
        ({"targets": np.zeros((3, 2))}, "targets is"),
        ({"weights": np.ones(2)}, "weights is"),
        ({"weights": np.array([1.0, -1.0, 1.0])}, "not negative"),
        ({"weights": np.array([1.0, np.nan, 1.0])}, "finite"),
        ({"locale": np.array([0, 2, 0])}, "outside the 2 locales"),
        ({"locale": np.array([0.0, 1.0, 0.0])}, "locale is"),
        ({"types": ("HAT", "HAT")}, "type is named once"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ScoredError, match=message):
        scored(**changes)


def test_one_locale_has_its_queries_only() -> None:
    german = scored().of_locale("de-DE")
    assert len(german) == 2
    assert german.scores.tolist() == scored().scores[[0, 2]].tolist()
    assert german.weights.tolist() == [1.0, 3.0]
    with pytest.raises(ScoredError, match="fr-FR"):
        scored().of_locale("fr-FR")


def test_a_mask_must_be_one_bool_per_query() -> None:
    assert len(scored().where(np.array([True, False, False]))) == 1
    with pytest.raises(ScoredError, match="mask"):
        scored().where(np.array([1, 0, 0]))


def test_concatenation_keeps_every_query_in_its_locale() -> None:
    other = scored(locales=("sv-SE", "fr-FR"))
    joined = concatenate([scored(), other])
    assert joined.locales == ("de-DE", "sv-SE", "fr-FR")
    names = [joined.locales[index] for index in joined.locale]
    assert names == ["de-DE", "sv-SE", "de-DE", "sv-SE", "fr-FR", "sv-SE"]
    assert joined.of_locale("sv-SE").weights.tolist() == [2.0, 1.0, 3.0]


def test_parts_with_other_types_are_not_concatenated() -> None:
    with pytest.raises(ScoredError, match="types"):
        concatenate([scored(), scored(types=("HAT", "SHOES"))])
    with pytest.raises(ScoredError, match="nothing"):
        concatenate([])


def test_columns_come_in_the_order_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("q2pt_tasks.metrics.scored.PAIRS_PER_STEP", 3)
    columns = list(scored().columns(np.array([1, 0])))
    assert [targets.tolist() for _, targets in columns] == [[False, True, True], [True, False, True]]
    assert columns[1][0].tolist() == scored().scores[:, 0].tolist()
