"""`q2pt predict` as a person sees it."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from checkpoints import exact_predictor, random_checkpoint, untrained_checkpoint

from q2pt_tasks import cli

Ask = Callable[..., tuple[int, str, str]]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return random_checkpoint(tmp_path / "model")


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    """Runs `q2pt predict`; returns the exit code and what stands on standard output and error."""

    def predict(*arguments: object) -> tuple[int, str, str]:
        code = 0
        try:
            cli.main(["predict", *map(str, arguments)])
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return predict


def test_single_queries_are_answered_with_a_line_of_json_each(ask: Ask, model: Path) -> None:
    code, out, _ = ask("--model", model, "--locale", "en-GB", "Red Hat", "für Damen")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [(line["query"], line["locale"]) for line in lines] == [("Red Hat", "en-GB"), ("für Damen", "en-GB")]
    for line, prediction in zip(lines, exact_predictor(model).predict(["Red Hat", "für Damen"], "en-GB"), strict=True):
        assert not line["used_unknown_locale"]
        assert line["product_types"]
        scores = {answer["product_type"]: answer["score"] for answer in line["product_types"]}
        assert scores == pytest.approx(dict(prediction.product_types), abs=0.02)


def test_an_unknown_store_is_told(ask: Ask, model: Path) -> None:
    assert json.loads(ask("--model", model, "--locale", "fr-FR", "hat")[1])["used_unknown_locale"]


def test_files_are_answered_into_a_folder(ask: Ask, model: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"query": ["hat", None], "locale": ["en-GB", "de-DE"]}), tmp_path / "queries.parquet")
    options = ("--model", model, "--input", tmp_path / "queries.parquet", "--output", tmp_path / "answers")
    assert ask(*options, "--part-rows", 1)[:2] == (0, "predict: 2 rows in 2 parts\n")
    assert ask(*options, "--part-rows", 1)[1] == "predict: 2 rows in 2 parts, 2 of them there before\n"
    hat, nothing = pq.read_table(tmp_path / "answers").to_pylist()
    assert [answer["product_type"] for answer in hat["product_types"]]
    assert nothing == {"query": None, "locale": "de-DE", "product_types": [], "used_unknown_locale": False}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "UsageError: give --input and --output, or --locale and at least one query"),
        (["--locale", "en-GB"], "UsageError"),
        (["hat"], "UsageError"),
        (["--input", "a.parquet"], "UsageError"),
        (["--input", "a.parquet", "--output", "out", "hat"], "UsageError"),
        (["--input", "a.parquet", "--output", "out", "--locale", "en-GB"], "UsageError"),
        (["--locale", "en-GB", "--part-rows", "3", "hat"], "UsageError"),
        (["--locale", "en_GB", "hat"], "LocaleError: a locale is a language and a region such as en-GB, found 'en_GB'"),
        (["--locale", "", "hat"], "LocaleError"),
        (["--locale", "en-GB", "hat", " "], "QueryError: the query ' ' is blank: give what a shopper types"),
        (["--locale", "en-GB", ""], "QueryError: the query '' is blank"),
        (["--locale", "en-GB", "caf\udce9"], r"QueryError: the query 'caf\udce9' is not UTF-8"),
        (["--input", "nowhere.parquet", "--output", "out"], "InputError: nowhere.parquet does not exist"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_a_sentence(ask: Ask, model: Path, arguments: list[str], words: str) -> None:
    code, out, err = ask("--model", model, *arguments)
    assert (code, out) == (1, "")
    assert f"predict failed: {words}" in err


@pytest.mark.parametrize("rows", ["0", "-1", "many", "1.5"])
def test_parts_without_rows_are_refused(ask: Ask, model: Path, rows: str) -> None:
    code, _, err = ask("--model", model, "--input", "in", "--output", "out", f"--part-rows={rows}")
    assert code == 2
    assert f"--part-rows: expected a whole number above 0, found '{rows}'" in err


def test_a_model_that_cannot_answer_is_refused(ask: Ask, tmp_path: Path) -> None:
    folder = untrained_checkpoint(tmp_path / "untrained")
    code, _, err = ask("--model", folder, "--locale", "en-GB", "hat")
    assert code == 1
    assert "CheckpointError" in err
    assert "holds no weights: 3 training queries" in err
    assert "there is no directory" in ask("--model", tmp_path / "nowhere", "--locale", "en-GB", "hat")[2]


def test_a_per_locale_model_refuses_another_store(ask: Ask, tmp_path: Path) -> None:
    folder = random_checkpoint(tmp_path / "own", "non_unified", ["en-GB"])
    code, _, err = ask("--model", folder, "--locale", "en-US", "hat")
    assert code == 1
    assert "serves en-GB alone, found the locale 'en-US': give the model" in err
