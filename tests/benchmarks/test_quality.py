"""What the quality benchmark computes in this environment: scores as files, differences, the page."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy.sparse import csr_matrix

from benchmarks.quality.figures import Differences, Judged, judge, mean_of
from benchmarks.quality.findings import Findings
from benchmarks.quality.kept import KeptScores, KeptScoresError, write_scores
from benchmarks.quality.models import PerLocale, Unified
from benchmarks.quality.ours import OURS, Judge, alone, weights_of
from benchmarks.quality.page import page
from benchmarks.quality.tasks import Answer, Task, Tried, read_answer, write_answer
from benchmarks.quality.tfidf_linear import LinearSetting
from q2pt_tasks.data.schema import Locales
from q2pt_tasks.data.splits import SPLIT
from q2pt_tasks.layout import SPLITS, Layout
from q2pt_tasks.metrics.intervals import Sample
from q2pt_tasks.metrics.scored import Floats
from q2pt_tasks.model.examples import FloatMatrix
from q2pt_tasks.model.scorers import Scorer
from q2pt_tasks.model.truth import LabeledQueries, Truth, read_truth
from q2pt_tasks.model.variants import UNIFIED_VARIANTS
from q2pt_tasks.params import read_section
from q2pt_tasks.report.tables import Scores
from q2pt_tasks.stages.evaluate import EvaluateParams

LOCALES = ("en-GB", "de-AT")
WORDS = {"SHOE": "shoe", "LAMP": "lamp", "TENT": "tent"}
TASK = Task("xr_linear", "unified", "build/run", LOCALES, "key")


@dataclass(frozen=True)
class Guessing:
    """Scores a type 1 where the query has its word, else 0; 0 everywhere in the locales where it is `blind`."""

    blind: tuple[str, ...] = ()

    def scores(self, queries: Sequence[str], locale: str) -> FloatMatrix:
        seen = [[float(word in query and locale not in self.blind) for word in _sorted_words()] for query in queries]
        return np.array(seen, dtype=np.float32).reshape(len(queries), len(WORDS))


@dataclass(frozen=True)
class Counting:
    """A peer that remembers how many queries it was trained on, and scores every pair with that number."""

    def fit(self, queries: Sequence[str], indicators: csr_matrix) -> "Constant":
        assert indicators.shape[0] == len(queries)
        return Constant(float(len(queries)), indicators.shape[1])


@dataclass(frozen=True)
class Constant:
    value: float
    types: int

    def scores(self, queries: Sequence[str]) -> FloatMatrix:
        return np.full((len(queries), self.types), self.value, dtype=np.float32)


def _sorted_words() -> list[str]:
    return [WORDS[name] for name in sorted(WORDS)]


def _truth(rows: int = 60) -> Truth:
    """In every split the same number of queries of each type; the German store has no lamps to train on."""

    def split(name: str, locale: str) -> pa.Table:
        types = [product_type for product_type in WORDS if (name, locale, product_type) != ("train", "de-AT", "LAMP")]
        columns = {
            "query": [f"{WORDS[product_type]} {number}" for product_type in types for number in range(rows)],
            "product_types": [[product_type] for product_type in types for _ in range(rows)],
        }
        filled = {field.name: columns.get(field.name, [None] * rows * len(types)) for field in SPLIT}
        return pa.table(filled, schema=pa.schema([field.with_nullable(True) for field in SPLIT]))

    return Truth({name: {locale: split(name, locale) for locale in LOCALES} for name in SPLITS}, LOCALES)


def _judged(tmp_path: Path, truth: Truth, name: str, scorer: Scorer) -> Judged:
    write_scores(tmp_path / name, truth, scorer)
    validation, test = (truth.scored(split, KeptScores(tmp_path / name, split)) for split in ("validation", "test"))
    params = read_section(Layout().params, "evaluate", EvaluateParams).model_copy(update={"resamples": 200})
    return judge(name, validation, test, params)


def _differences(truth: Truth, found: dict[str, Floats]) -> Differences:
    rows = truth.labeled("test")
    queries = [query for locale in LOCALES for query in rows[locale].queries]
    part = np.repeat(np.arange(2), [len(rows[locale].queries) for locale in LOCALES])
    return Differences(found, np.ones(len(queries)), Sample.of(queries, part, 2), LOCALES)


def test_scores_come_back_as_they_were_written(tmp_path: Path) -> None:
    truth = _truth()
    write_scores(tmp_path, truth, Guessing())
    kept = truth.scored("test", KeptScores(tmp_path, "test"))
    assert np.array_equal(kept.scores, truth.scored("test", Guessing()).scores)
    with pytest.raises(KeptScoresError, match=r"has 180 rows of en-GB, expected 2"):
        KeptScores(tmp_path, "test").scores(["a", "b"], "en-GB")


def test_an_answer_comes_back_as_it_was_written(tmp_path: Path) -> None:
    assert read_answer(tmp_path) is None
    answer = Answer(TASK, (Tried({"c": 1.0}, 0.5, 0.6, 3.0), Tried({"c": 2.0}, 0.7, 0.8, 4.0)), 1)
    write_answer(tmp_path, answer)
    assert read_answer(tmp_path) == answer
    assert answer.best.setting == {"c": 2.0}


def test_a_unified_model_learns_from_all_locales_and_a_local_one_from_its_own() -> None:
    truth = _truth(rows=5)
    train = truth.labeled("train")
    unified = Unified(Counting(), train, truth.types).scores(["x"], "de-AT")
    local = PerLocale(Counting(), train, truth.types).scores(["x"], "de-AT")
    assert unified.tolist() == [[25.0, 25.0, 25.0]]
    # The German store has ten queries, none of a lamp.
    assert local.tolist() == [[-np.inf, 10.0, 10.0]]


def test_the_linear_peer_learns() -> None:
    train = {"en-GB": LabeledQueries(["red shoe", "shoes", "lamp", "lamps"], [["SHOE"], ["SHOE"], ["LAMP"], ["LAMP"]])}
    for setting in (LinearSetting("squared hinge", 1.0), LinearSetting("logistic", 30.0)):
        scores = Unified(setting, train, ("LAMP", "SHOE")).scores(["a shoe", "old lamp"], "en-GB")
        assert scores.argmax(axis=1).tolist() == [1, 0]


def test_a_difference_is_that_of_the_recalls_and_its_interval_holds_it(tmp_path: Path) -> None:
    truth = _truth()
    sees, blind = (_judged(tmp_path, truth, str(number), Guessing(("de-AT",) * number)) for number in (0, 1))
    differences = _differences(truth, {"sees": sees.found, "blind": blind.found})
    both = differences.between("sees", "blind", LOCALES)
    assert both.value == 0.5
    assert both.interval.low <= 0.5 <= both.interval.high
    assert both.p_value < 0.01
    nothing = differences.between("sees", "blind", ["en-GB"])
    assert (nothing.value, nothing.interval.low, nothing.interval.high, nothing.p_value) == (0, 0, 0, 1)


def test_several_trainings_are_their_mean(tmp_path: Path) -> None:
    truth = _truth()
    sees, blind = (_judged(tmp_path, truth, "ours", Guessing(("de-AT",) * number)) for number in (0, 1))
    mean = mean_of([sees, blind, blind])
    assert Scores(mean.rows).value("ours", "micro_recall") == pytest.approx((1 + 0.5 + 0.5) / 3)
    differences = _differences(truth, {"mean": mean.found, "sees": sees.found})
    assert differences.between("mean", "sees", LOCALES).value == pytest.approx(-1 / 3)
    assert differences.between("mean", "sees", ["en-GB"]).value == 0


def _findings(tmp_path: Path, variants: Sequence[str]) -> Findings:
    """Two trainings of each variant, and one peer."""
    truth = _truth()
    # The trainings of unified_aware differ: one of two is blind in the German store. Encoders alone are blind there.
    scorers = {name: [Guessing(), Guessing()] for name in variants} | {"xr_linear_unified": [Guessing()]}
    scorers["unified_aware"][1] = Guessing(("de-AT",))
    scorers |= {alone(name): [Guessing(("de-AT",))] * 2 for name in variants}
    trainings = {name: [_judged(tmp_path, truth, name, one) for one in own] for name, own in scorers.items()}
    judged = {name: mean_of(own) for name, own in trainings.items()}
    del trainings["xr_linear_unified"]
    return Findings(
        judged=judged,
        trainings=trainings,
        command="make bench-quality",
        weights={name: [0.3, 0.5] for name in variants},
        answers=[Answer(TASK, (Tried({"c": 0.3}, 0.9, 0.9, 12.0), Tried({"c": 1.0}, 0.8, 0.9, 13.0)), 0)],
        groups={"100% kept": ("en-GB",), "8% kept": ("de-AT",)},
        differences=_differences(truth, {name: one.found for name, one in judged.items()}),
        truth=truth,
        machine="A machine",
    )


def test_the_page_says_where_a_peer_is_not_beaten(tmp_path: Path) -> None:
    text = page(_findings(tmp_path, OURS))
    assert "```\nmake bench-quality\n```" in text
    assert "| unified_aware | 0.750 [0.500 .. 1.000] | 1.000 |" in text
    assert "| xr_linear_unified | 1.000 | 1.000 |" in text
    assert "| unified_aware | xr_linear_unified | all locales | -0.250 |" in text
    assert "| unified_aware | unified_agnostic | small locales | -0.500 |" in text
    assert "| xr_linear_unified | 2 | c 0.3, 1.0 | c 0.3 | 0.900 | 0.800 | 12 |" in text
    assert "| unified_aware | 0.3 (1), 0.5 (1) | 0.500 | 0.750 [0.500 .. 1.000] | +0.250 |" in text
    assert "unified_agnostic is in no locale worse than a peer with an interval below zero: yes." in text
    assert "below zero: not so: de-AT (xr_linear_unified)." in text
    assert "over all locales, with an interval above zero: not so: xr_linear_unified." in text
    assert "n-grams add to every variant over small locales, with an interval above zero: yes." in text


def test_the_page_does_without_models_that_were_not_trained(tmp_path: Path) -> None:
    text = page(_findings(tmp_path, UNIFIED_VARIANTS))
    assert "| unified_aware | unified_agnostic | small locales | -0.500 |" in text
    assert "non_unified" not in text


def test_our_models_are_judged_as_the_pipeline_judges_them(finished: Layout) -> None:
    """The tiny pipeline, as if it had run with two seeds."""
    locales = read_section(finished.params, "locales", Locales)
    params = read_section(finished.params, "evaluate", EvaluateParams)
    trainings = Judge(read_truth(finished, locales), params, OURS).trainings([finished, finished])
    assert set(trainings) == {*OURS, *map(alone, OURS)}
    headline = json.loads(finished.summary.read_text())["headline"]
    for name in OURS:
        for one in trainings[name]:
            assert Scores(one.rows).value(name, "micro_recall") == pytest.approx(headline[name]["micro_recall"])
    whole, encoder = (trainings[name][0].found for name in ("unified_aware", alone("unified_aware")))
    assert not np.array_equal(whole, encoder)
    weights = weights_of([finished, finished], locales, OURS)
    assert [len(weights[name]) for name in OURS] == [2 * len(locales), 2, 2]
    assert weights["unified_aware"][0] > 0
