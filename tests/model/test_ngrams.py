"""The n-gram model: what it learns, that it is the same again, and that a query's scores depend on the query alone."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from q2pt_tasks.model.examples import Examples, Packed
from q2pt_tasks.model.ngram_training import fit_ngrams
from q2pt_tasks.model.ngrams import NGrams, NGramsError, find_parts, frequent_parts
from q2pt_tasks.model.recipe import NGramRecipe
from q2pt_tasks.model.text_parts import Typed, parts_of

MEANING = {"red shoes": 0, "leather shoe": 0, "floor lamp": 1, "lamps": 1, "日本の帽子": 2, "帽子": 2}
QUERIES = [*MEANING] * 20
RECIPE = NGramRecipe(
    parts=1000, longest=4, width=12, learning_rate=0.05, batch_size=16, min_steps_per_epoch=1, epochs=6
)
HARD = ["", "shoe", "unknown", "👟👟", "e\u0301", "帽子 lamp", "a" * 10_000, "\x00"]


def _examples(queries: Sequence[str]) -> Examples:
    labels = [[MEANING[query]] for query in queries]
    return Examples(
        tokens=Packed.pack([[0]] * len(queries)),
        labels=Packed.pack(labels),
        shares=np.ones(len(queries), np.float32),
        locales=np.zeros(len(queries), np.int64),
    )


def _fit(recipe: NGramRecipe = RECIPE, seed: int = 1) -> NGrams:
    return fit_ngrams(Typed.somewhere(QUERIES), _examples(QUERIES), 3, recipe, seed)


@pytest.fixture(scope="module")
def model() -> NGrams:
    return _fit()


def test_it_learns_and_knows_words_by_their_parts(model: NGrams) -> None:
    found = model.probabilities(Typed.somewhere([*MEANING, "shoestring", "lamp", "の帽子"]))
    assert found.argmax(1).tolist() == [*MEANING.values(), 0, 1, 2]
    torch.testing.assert_close(found.sum(1), torch.ones(len(found)))


def test_the_same_arguments_give_the_same_model_and_another_seed_another(model: NGrams) -> None:
    again, other = _fit(), _fit(seed=2)
    for name, tensor in model.tensors().items():
        assert torch.equal(again.tensors()[name], tensor)
    assert torch.equal(other.keys, model.keys)
    assert not torch.equal(other.vectors, model.vectors)


def test_a_query_has_the_same_probabilities_alone_and_among_others(model: NGrams) -> None:
    queries = [*HARD, *QUERIES] * 20
    together = model.probabilities(Typed.somewhere(queries))
    for index in range(0, len(queries), 97):
        torch.testing.assert_close(
            together[index], model.probabilities(Typed.somewhere([queries[index]]))[0], rtol=0, atol=1e-6
        )


def test_any_text_has_probabilities(model: NGrams) -> None:
    found = model.probabilities(Typed.somewhere(HARD))
    assert ((found > 0) & (found < 1)).all()
    # Nothing is known of either: what is left is how often each type is meant.
    torch.testing.assert_close(found[0], model.bias.float().softmax(0))
    assert model.probabilities(Typed.somewhere([])).shape == (0, 3)


def test_the_less_of_a_query_is_known_the_less_sure_it_is(model: NGrams) -> None:
    known, half = model.probabilities(Typed.somewhere(["lamp", "lamp xyzxyzxyz"]))
    assert known.max() > half.max()


def test_probabilities_are_those_of_the_mean_vector(model: NGrams) -> None:
    parts = parts_of(Typed.somewhere(["red lamp"]), RECIPE.longest).of(0)
    keys = model.keys.tolist()
    rows = [model.vectors[keys.index(part)].float() for part in parts.tolist() if part in keys]
    mean = torch.stack(rows).sum(0) / len(parts)
    expected = (model.weight.float() @ mean + model.bias.float()).softmax(0)
    torch.testing.assert_close(model.probabilities(Typed.somewhere(["red lamp"]))[0], expected)


def test_the_parts_of_the_most_queries_are_kept() -> None:
    counts = Counter(part for query in QUERIES for part in parts_of(Typed.somewhere([query]), 4).of(0).tolist())
    least = sorted(counts.values(), reverse=True)[9]
    kept = frequent_parts(Typed.somewhere(QUERIES), 4, 10)
    assert len(kept) == 10
    assert (np.diff(kept) > 0).all()
    assert {part for part, count in counts.items() if count > least} <= set(kept.tolist())
    assert all(counts[part] >= least for part in kept.tolist())
    assert set(frequent_parts(Typed.somewhere(QUERIES), 4, 10_000).tolist()) == set(counts)


def test_parts_are_found_where_they_are_and_others_left_out() -> None:
    found = find_parts(Packed.pack([[1, 5, 9], [], [7], [12]]), np.array([5, 7, 9]))
    assert [found.of(index).tolist() for index in range(4)] == [[0, 2], [], [1], []]
    assert find_parts(Packed.pack([[1]]), np.zeros(0, np.int64)).lengths.tolist() == [0]


def test_a_store_of_a_few_queries_takes_steps_enough() -> None:
    recipe = RECIPE.model_copy(update={"batch_size": 1000, "min_steps_per_epoch": 50})
    found = _fit(recipe).probabilities(Typed.somewhere(["lamps"]))
    assert found[0, 1] > 0.8


def test_tensors_that_make_no_model_are_refused(model: NGrams) -> None:
    tensors = dict(model.tensors())
    with pytest.raises(NGramsError, match=r"has the tensors .*'bias'.*, found \['keys', 'vectors', 'weight'\]"):
        NGrams.of(4, {name: tensor for name, tensor in tensors.items() if name != "bias"})
    with pytest.raises(NGramsError, match=r"do not fit together: \{'keys': \(1,\)"):
        NGrams.of(4, {**tensors, "keys": tensors["keys"][:1]})


def test_a_word_of_two_stores_is_told_apart_and_elsewhere_both_are_likely() -> None:
    typed = Typed(["pants"] * 40, ["[en-US]", "[en-GB]"] * 20)
    labels = Packed.pack([[0], [1]] * 20)
    examples = Examples(labels, labels, np.ones(40, dtype=np.float32), np.zeros(40, dtype=np.int64))
    model = fit_ngrams(typed, examples, 2, RECIPE.model_copy(update={"epochs": 60}), 1)
    us, uk, elsewhere = model.probabilities(Typed(["pants"] * 3, ["[en-US]", "[en-GB]", ""])).tolist()
    assert us[0] > 0.7
    assert uk[1] > 0.7
    assert min(elsewhere) > 0.2
