import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from q2pt_tasks.data.labels import LABELS
from q2pt_tasks.data.splits import (
    HISTORY_SPLITS,
    Sample,
    SplitLeakError,
    SplitRules,
    check_no_leak,
    divide,
    flip_labels,
    label_space,
    mark_seen,
    with_seen,
)

RULES = SplitRules(salt="test", validation=0.1, test=0.2)


def _labeled(queries: list[str], product_type: str = "A") -> pa.Table:
    return pa.table(
        {
            "query": queries,
            "product_types": [[product_type]] * len(queries),
            "shares": [[1.0]] * len(queries),
            "clicks": [5] * len(queries),
        },
        schema=LABELS,
    )


def _queries(table: pa.Table) -> set[str]:
    return set(table["query"].to_pylist())


MANY = [f"query {number}" for number in range(3000)]


def test_every_query_is_on_exactly_one_side() -> None:
    sides = divide(_labeled(MANY), RULES, Sample())
    assert sum(len(sides[split]) for split in HISTORY_SPLITS) == len(MANY)
    assert set.union(*map(_queries, sides.values())) == set(MANY)


def test_the_sides_have_about_their_shares() -> None:
    sides = divide(_labeled(MANY), RULES, Sample())
    assert len(sides["test"]) / len(MANY) == pytest.approx(0.2, abs=0.03)
    assert len(sides["validation"]) / len(MANY) == pytest.approx(0.1, abs=0.02)


@given(st.sets(st.text(min_size=1)), st.sets(st.text(min_size=1)))
def test_a_query_stays_on_its_side_as_the_log_grows(first: set[str], more: set[str]) -> None:
    before = divide(_labeled(sorted(first)), RULES, Sample())
    after = divide(_labeled(sorted(first | more)), RULES, Sample())
    assert all(_queries(before[split]) <= _queries(after[split]) for split in HISTORY_SPLITS)


def test_thinning_keeps_the_test_set_and_nests() -> None:
    whole, half, tenth = (divide(_labeled(MANY), RULES, Sample(share)) for share in (1.0, 0.5, 0.1))
    assert _queries(tenth["test"]) == _queries(half["test"]) == _queries(whole["test"])
    assert _queries(tenth["train"]) < _queries(half["train"]) < _queries(whole["train"])
    assert len(tenth["train"]) / len(whole["train"]) == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize("most", [0, 1, 50, 200])
def test_a_locale_keeps_so_many_queries_at_most_and_all_of_its_test_set(most: int) -> None:
    whole, some, more = (divide(_labeled(MANY), RULES, Sample(most=n)) for n in (None, most, most + 100))
    assert len(some["train"]) + len(some["validation"]) == most
    assert some["test"].equals(whole["test"])
    assert all(_queries(some[split]) <= _queries(more[split]) <= _queries(whole[split]) for split in HISTORY_SPLITS)


def test_a_locale_with_fewer_queries_keeps_all_of_its_share() -> None:
    assert divide(_labeled(MANY), RULES, Sample(0.5, 10_000)) == divide(_labeled(MANY), RULES, Sample(0.5))


def _train(queries: list[str]) -> pa.Table:
    rows = pa.concat_tables([_labeled(queries[0::3]), _labeled(queries[1::3], "B"), _labeled(queries[2::3], "C")])
    return with_seen(rows, seen=True)


def _differing(one: pa.Table, other: pa.Table) -> set[str]:
    pairs = zip(one.to_pylist(), other.to_pylist(), strict=True)
    return {row["query"] for row, flipped in pairs if row["product_types"] != flipped["product_types"]}


def test_flipped_labels_are_wrong_stable_and_as_many_as_asked() -> None:
    train = _train(MANY)
    few, many = (flip_labels(train, share, "salt") for share in (0.1, 0.4))
    assert few["query"].equals(train["query"])
    assert len(_differing(train, many)) / len(MANY) == pytest.approx(0.4, abs=0.03)
    assert _differing(train, few) < _differing(train, many)
    assert _differing(few, flip_labels(train, 0.1, "salt")) == set()
    assert {name for types in many["product_types"].to_pylist() for name in types} == {"A", "B", "C"}


def test_without_noise_or_another_type_no_label_is_flipped() -> None:
    assert flip_labels(_train(MANY), 0.0, "salt").equals(_train(MANY))
    alone = with_seen(_labeled(MANY), seen=True)
    assert flip_labels(alone, 0.9, "salt").equals(alone)


def test_another_salt_is_another_division() -> None:
    other = divide(_labeled(MANY), SplitRules("other", 0.1, 0.2), Sample())
    assert _queries(other["test"]) != _queries(divide(_labeled(MANY), RULES, Sample())["test"])


def test_forward_queries_are_seen_where_their_text_is_trained_on() -> None:
    forward = mark_seen(_labeled(["a", "b"]), with_seen(_labeled(["b", "c"]), seen=True))
    assert forward.select(["query", "seen"]).to_pylist() == [
        {"query": "a", "seen": False},
        {"query": "b", "seen": True},
    ]


def test_a_leak_between_locales_is_found_and_named() -> None:
    own = {split: with_seen(_labeled([]), seen=False) for split in HISTORY_SPLITS}
    splits = {
        "en-US": {**own, "train": with_seen(_labeled(["pants"]), seen=True)},
        "en-GB": {**own, "test": with_seen(_labeled(["pants"]), seen=False)},
    }
    with pytest.raises(SplitLeakError, match="en-GB: a query is in train and in test; its text is 'pants'"):
        check_no_leak(splits)


def test_the_division_itself_never_leaks() -> None:
    check_no_leak({locale: divide(_labeled(MANY), RULES, Sample()) for locale in ("en-US", "en-GB")})


def test_the_label_space_is_sorted_and_needs_enough_training_queries() -> None:
    counts = [{"SHOES": 2, "HATS": 1}, {"SHOES": 1}, {}]
    assert label_space(counts, 1) == ["HATS", "SHOES"]
    assert label_space(counts, 2) == label_space(counts, 3) == ["SHOES"]
    assert label_space(counts, 4) == label_space([{}], 1) == []
