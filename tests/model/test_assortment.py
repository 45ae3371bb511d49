import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import LOCALES, TYPES, exact_predictor, random_checkpoint

from q2pt_tasks.model.assortment import mask_logits, mask_scores, read_unsold, unsold_table
from q2pt_tasks.model.checkpoint import load_checkpoint
from q2pt_tasks.model.metadata import save_metadata
from q2pt_tasks.model.objectives import OBJECTIVES
from q2pt_tasks.model.prediction import Predictor
from q2pt_tasks.model.recipe import ObjectiveName

UNSOLD = np.array([[False, True, False], [False, False, False]])


def test_what_a_store_does_not_sell_is_what_its_catalog_lacks_of_the_label_space(tmp_path: Path) -> None:
    file = tmp_path / "assortment.json"
    file.write_text(json.dumps({"en-US": ["A", "B", "Z"], "pl-PL": ["A"], "fr-BE": []}))
    unsold = read_unsold(file, ["en-US", "pl-PL"], ["A", "B"])
    assert unsold == {"en-US": (), "pl-PL": ("B",)}
    table = unsold_table(unsold, ["pl-PL", "en-US", "de-DE"], ["A", "B"])
    assert table.tolist() == [[False, True], [False, False], [False, False]]


@pytest.mark.parametrize("objective", list(OBJECTIVES))
def test_an_unsold_type_is_neither_in_the_loss_nor_in_its_gradient(objective: ObjectiveName) -> None:
    logits = torch.tensor([[0.3, 2.0, -1.0], [0.1, 0.2, 0.3]], requires_grad=True)
    shares = torch.tensor([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]])
    loss = OBJECTIVES[objective].loss(mask_logits(logits, UNSOLD), shares)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert gradient[0, 1] == 0
    assert gradient[1].abs().min() > 0
    alone = OBJECTIVES[objective].loss(logits[:1, [0, 2]], shares[:1, [0, 2]])
    rest = OBJECTIVES[objective].loss(logits[1:], shares[1:])
    torch.testing.assert_close(loss, alone + rest)


def test_masked_scores_are_zero_where_a_type_is_not_sold() -> None:
    scores = np.array([[0.9, 0.8, 0.7], [0.9, 0.8, 0.7]], dtype=np.float32)
    masked = mask_scores(scores, UNSOLD)
    np.testing.assert_array_equal(masked, np.array([[0.9, 0, 0.7], [0.9, 0.8, 0.7]], dtype=np.float32))
    assert masked.dtype == np.float32


def test_a_model_never_gives_what_a_store_does_not_sell(tmp_path: Path) -> None:
    folder = random_checkpoint(tmp_path)
    before = exact_predictor(folder)
    queries = ["pants", "red hat", "lamp", "sofa table"]
    given = {name for one in before.predict(queries, "en-US") for name, _ in one.product_types}
    assert given
    unsold = tuple(sorted(given)[:1])
    save_metadata(folder, replace(load_checkpoint(folder).metadata, unsold={"en-US": unsold}))
    after = exact_predictor(folder)
    assert {name for one in after.predict(queries, "en-US") for name, _ in one.product_types} == given - set(unsold)
    column = TYPES.index(unsold[0])
    assert not after.scores(queries, "en-US")[:, column].any()
    for locale in set(LOCALES) - {"en-US"}:
        np.testing.assert_array_equal(after.scores(queries, locale), before.scores(queries, locale))
        assert after.predict(queries, locale) == before.predict(queries, locale)


def test_a_checkpoint_keeps_what_its_stores_do_not_sell(tmp_path: Path) -> None:
    folder = random_checkpoint(tmp_path)
    save_metadata(folder, replace(load_checkpoint(folder).metadata, unsold={"en-GB": ("HAT", "SOFA")}))
    assert list(Predictor.load(folder).metadata.unsold["en-GB"]) == ["HAT", "SOFA"]
