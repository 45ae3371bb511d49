"""What is exported answers as the checkpoint does, for a consumer that has the folder alone."""

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoints import LOCALES, exact_predictor, random_checkpoint
from onnxruntime.capi.onnxruntime_inference_collection import InferenceSession
from tokenizers import Tokenizer

from q2pt_tasks.model.metadata import CheckpointError, load_metadata, save_metadata
from q2pt_tasks.serving.export import ExportError, export

QUERIES = ["Red Hat", "für Damen", "pants", "lamp sofa table women hat shoe red pants lamp sofa"]


class Consumer:
    """Reads the folder, and uses nothing of this package."""

    def __init__(self, folder: Path) -> None:
        self._contract: Mapping[str, Any] = json.loads((folder / "q2pt.json").read_text(encoding="utf-8"))
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._session = InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])

    def scores(self, query: str, locale: str) -> Mapping[str, float]:
        self._tokenizer.enable_truncation(self._contract["max_tokens"])
        ids = self._tokenizer.encode(unicodedata.normalize("NFKC", query).casefold()).ids
        if self._contract["locale_tokens"] is not None:
            ids.insert(1, self._contract["locale_tokens"].get(locale, self._contract["unknown_locale_token"]))
        inputs = {"input_ids": np.array([ids]), "attention_mask": np.ones((1, len(ids)), np.int64)}
        (scores,) = self._session.run(None, inputs)
        assert isinstance(scores, np.ndarray)
        return dict(zip(self._contract["product_types"], scores[0].tolist(), strict=True))

    def predict(self, query: str, locale: str) -> set[str]:
        thresholds, unsold = self._contract["thresholds"], self._contract["unsold"].get(locale, ())
        otherwise = thresholds["by_locale"].get(locale, thresholds["overall"])
        limits = {name: thresholds["by_type"].get(name, otherwise) for name in self._contract["product_types"]}
        return {
            name
            for name, score in self.scores(query, locale).items()
            if name not in unsold and limits[name] is not None and score >= limits[name]
        }


# Each takes PyTorch's exporter ten seconds.
@pytest.mark.parametrize(
    ("variant", "objective"),
    [
        ("unified_aware", "binary_cross_entropy"),
        pytest.param("unified_agnostic", "softmax", marks=pytest.mark.slow),
        pytest.param("unified_aware", "sparsemax", marks=pytest.mark.slow),
        pytest.param("non_unified", "binary_cross_entropy", marks=pytest.mark.slow),
    ],
)
def test_a_consumer_with_the_folder_alone_has_the_same_answers(tmp_path: Path, variant: str, objective: Any) -> None:  # noqa: ANN401
    model = random_checkpoint(tmp_path / "model", variant, objective=objective)
    sold = load_metadata(model).product_types[0]
    save_metadata(model, replace(load_metadata(model), unsold={"en-GB": (sold,)}))
    export(model, tmp_path / "onnx")
    consumer, exact = Consumer(tmp_path / "onnx"), exact_predictor(model)
    for locale in (*LOCALES, "fr-FR") if variant != "non_unified" else LOCALES:
        for query, scores in zip(QUERIES, exact.scores(QUERIES, locale), strict=True):
            found = consumer.scores(query, locale)
            names = [name for name in found if (name, locale) != (sold, "en-GB")]
            expected = dict(zip(exact.metadata.product_types, scores.tolist(), strict=True))
            assert [found[name] for name in names] == pytest.approx([expected[name] for name in names], abs=1e-5)
            (prediction,) = exact.predict([query], locale)
            assert consumer.predict(query, locale) == {name for name, _ in prediction.product_types}


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    model = random_checkpoint(tmp_path / "model")
    (tmp_path / "onnx").mkdir()
    with pytest.raises(CheckpointError, match="is there already"):
        export(model, tmp_path / "onnx")


def test_an_export_that_differs_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_checkpoint(tmp_path / "model")
    monkeypatch.setattr("q2pt_tasks.serving.export._write_network", lambda *_: None)
    monkeypatch.setattr("q2pt_tasks.serving.export._largest_difference", lambda *_: float("nan"))
    with pytest.raises(ExportError, match="are up to nan off"):
        export(model, tmp_path / "onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_without_the_libraries_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("q2pt_tasks.serving.export._NEEDED", ("a_library_that_is_not_there",))
    with pytest.raises(ExportError, match="pip install"):
        export(random_checkpoint(tmp_path / "model"), tmp_path / "onnx")
