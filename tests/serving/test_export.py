"""What is exported answers as the checkpoint does, for a consumer that has the folder alone."""

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoints import LOCALES, TYPES, add_random_ngrams, exact_predictor, random_checkpoint
from onnxruntime.capi.onnxruntime_inference_collection import InferenceSession

from q2pt_tasks.model.metadata import CheckpointError, load_metadata, save_metadata
from q2pt_tasks.serving.export import ExportError, export

QUERIES = ["Red Hat", "für Damen", "pants", "lamp sofa table women hat shoe red pants lamp sofa"]


def _consumer(folder: Path) -> Any:  # noqa: ANN401 - made when it runs
    """The reader in an exported folder."""
    spec = importlib.util.spec_from_file_location("ask", folder / "ask.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Model(folder)


# Each takes PyTorch's exporter ten seconds.
@pytest.mark.parametrize(
    ("variant", "objective", "ngrams"),
    [
        ("unified_aware", "binary_cross_entropy", True),
        pytest.param("unified_aware", "binary_cross_entropy", False, marks=pytest.mark.slow),
        pytest.param("unified_agnostic", "softmax", False, marks=pytest.mark.slow),
        pytest.param("unified_agnostic", "softmax", True, marks=pytest.mark.slow),
        pytest.param("unified_aware", "sparsemax", True, marks=pytest.mark.slow),
        pytest.param("non_unified", "binary_cross_entropy", True, marks=pytest.mark.slow),
    ],
)
def test_a_consumer_with_the_folder_alone_has_the_same_answers(
    tmp_path: Path,
    variant: str,
    objective: Any,  # noqa: ANN401
    ngrams: bool,
) -> None:
    model = random_checkpoint(tmp_path / "model", variant, objective=objective)
    if ngrams:
        add_random_ngrams(model)
    save_metadata(model, replace(load_metadata(model), unsold={"en-GB": TYPES[:1]}))
    export(model, tmp_path / "onnx")
    consumer, exact = _consumer(tmp_path / "onnx"), exact_predictor(model)
    for locale in (*LOCALES, "fr-FR") if variant != "non_unified" else LOCALES:
        for query, scores in zip(QUERIES, exact.scores(QUERIES, locale), strict=True):
            found = consumer.scores(query, locale)
            names = [name for name in found if (name, locale) != (TYPES[0], "en-GB")]
            expected = dict(zip(TYPES, scores.tolist(), strict=True))
            assert [found[name] for name in names] == pytest.approx([expected[name] for name in names], abs=1e-5)
            (prediction,) = exact.predict([query], locale)
            assert [name for name, _ in consumer.predict(query, locale)] == [
                name for name, _ in prediction.product_types
            ]
        assert consumer.predict(" ", locale) == []


def test_it_is_asked_from_a_terminal_and_in_batches(tmp_path: Path) -> None:
    model = add_random_ngrams(random_checkpoint(tmp_path / "model"))
    folder = tmp_path / "onnx"
    export(model, folder)
    said = subprocess.run(
        [sys.executable, "-I", str(folder / "ask.py"), "en-GB", *QUERIES], capture_output=True, text=True, check=True
    ).stdout
    answers = [json.loads(line) for line in said.splitlines()]
    assert [answer["query"] for answer in answers] == QUERIES
    predictions = exact_predictor(model).predict(QUERIES, "en-GB")
    assert [[name for name, _ in answer["product_types"]] for answer in answers] == [
        [name for name, _ in prediction.product_types] for prediction in predictions
    ]
    assert any(answer["product_types"] for answer in answers)
    _check_batch(folder)
    _check_example(folder)


def _check_batch(folder: Path) -> None:
    """Rows that are padded at their ends, as the file says, have the scores of single ones."""
    consumer = _consumer(folder)
    single = [consumer.inputs(query, "en-GB") for query in QUERIES]
    batch = {
        name: _padded([inputs[name][0] for inputs in single], padding)
        for name, padding in (("input_ids", 0), ("attention_mask", 0), ("part_ids", -1))
    }
    (scores,) = InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"]).run(None, batch)
    expected = [list(consumer.scores(query, "en-GB").values()) for query in QUERIES]
    assert scores == pytest.approx(np.array(expected), abs=1e-5)


def _padded(rows: list[np.ndarray[Any, Any]], padding: int) -> np.ndarray[Any, Any]:
    length = max(map(len, rows))
    return np.array([np.pad(row, (0, length - len(row)), constant_values=padding) for row in rows])


def _check_example(folder: Path) -> None:
    """The contract's example is what the folder does: whoever writes a consumer compares with it."""
    consumer, example = _consumer(folder), json.loads((folder / "q2pt.json").read_text(encoding="utf-8"))["example"]
    inputs = consumer.inputs(example["query"], example["locale"])
    assert {name: values[0].tolist() for name, values in inputs.items()} == example["inputs"]
    scores = consumer.scores(example["query"], example["locale"])
    assert example["best"] == dict(sorted(scores.items(), key=lambda one: -one[1])[:3])


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    model = random_checkpoint(tmp_path / "model")
    (tmp_path / "onnx").mkdir()
    with pytest.raises(CheckpointError, match="is there already"):
        export(model, tmp_path / "onnx")


def test_an_export_that_differs_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_checkpoint(tmp_path / "model")
    monkeypatch.setattr("q2pt_tasks.serving.export.write_graph", lambda *_: None)
    monkeypatch.setattr("q2pt_tasks.serving.ask.Model", lambda _: None)
    monkeypatch.setattr("q2pt_tasks.serving.export._largest_difference", lambda *_: float("nan"))
    with pytest.raises(ExportError, match="are up to nan off"):
        export(model, tmp_path / "onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_without_the_libraries_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("q2pt_tasks.serving.export._NEEDED", ("a_library_that_is_not_there",))
    with pytest.raises(ExportError, match="pip install"):
        export(random_checkpoint(tmp_path / "model"), tmp_path / "onnx")
