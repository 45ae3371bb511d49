"""The study of Google's taxonomy: what its seeds change, what is run, and what its page says of several seeds."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from q2pt_tasks.layout import Layout
from q2pt_tasks.params_edit import edit_params
from q2pt_tasks.report.evidence import Difference
from q2pt_tasks.report.tables import Model, Row, Summary
from q2pt_tasks.studies import google_taxonomy
from q2pt_tasks.studies.google_taxonomy import CHANGES, prepare, read_findings, run_seed
from q2pt_tasks.studies.google_taxonomy_page import PAIRS, Findings, Trained, page
from q2pt_tasks.studies.study import Options
from q2pt_tasks.studies.workspace import Workspace

VALUES = {
    "non_unified": 0.4,
    "unified_agnostic": 0.6,
    "unified_aware": 0.7,
    "tfidf_per_locale": 0.3,
    "tfidf_unified": 0.3,
}
SMALL = ("non_unified", "pl-PL")


def _trained(own_in_small: float, seconds: float = 10.0) -> Trained:
    rows = tuple(
        Row(variant, locale, "test", metric, own_in_small if (variant, locale) == SMALL else value, 100)
        for variant, value in VALUES.items()
        for locale in ("all", "en-US", "pl-PL")
        for metric in ("micro_recall", "micro_recall_curve")
    )
    model = Model("non_unified", "pl-PL", "trained", "", 70, 3, seconds)
    # All pairs in the order of the evaluation, which names a pair once; an interval of .1 to both sides.
    names = list(VALUES)
    differences = [
        Difference(one, other, "test", locale, "micro_recall", value, value - 0.1, value + 0.1)
        for place, one in enumerate(names)
        for other in names[place + 1 :]
        for locale in ("all", "pl-PL")
        for value in [
            (own_in_small if (one, locale) == SMALL else VALUES[one]) - VALUES[other],
        ]
    ]
    return Trained(Summary(0.8, rows, (model,), None), differences)


def _page(*own_in_small: float, changes: Mapping[str, object] | None = None) -> str:
    seeds = [_trained(value, 10.0 * number) for number, value in enumerate(own_in_small, start=1)]
    groups = {"100% kept": ("en-US",), "8% kept": ("pl-PL",)}
    return page(Findings(seeds, {"en-US": 900, "pl-PL": 70}, groups), "make taxonomy", changes or {}, "plot.svg")


def test_the_conclusion_says_yes_where_sharing_wins_in_every_small_locale() -> None:
    text = _page(0.1, 0.2, 0.1)
    assert "unified_aware above per-locale training in every small locale: on the mean yes; in 3 of 3 seeds." in text
    assert "unified_aware above all-locale TF-IDF over all locales: on the mean yes; in 3 of 3 seeds." in text
    assert "TF-IDF in every locale: on the mean no, not in pl-PL; in 0 of 3 seeds." in text


def test_the_conclusion_tells_the_mean_from_the_seeds() -> None:
    """Sharing loses to per-locale training in one seed of three, by more than it wins in the others."""
    text = _page(0.55, 0.58, 0.69)
    lost = "unified_agnostic above per-locale training in every small locale: on the mean no, not in pl-PL; in 2 of 3"
    assert lost in text
    assert "unified_aware above per-locale training in every small locale: on the mean yes; in 3 of 3 seeds." in text


def test_figures_are_means_with_the_lowest_and_the_highest() -> None:
    text = _page(0.1, 0.2, 0.6, changes={"split.keep_share": {"pl-PL": 0.08}})
    assert "| 8% kept | thresholds of validation | 1 | 0.300 [0.100 .. 0.600] | 0.600 | 0.700 |" in text
    assert "| pl-PL | 70 | 100 | 0.300 | 0.600 |" in text
    assert "non_unified 20 s [10 .. 30]" in text
    assert 'split.keep_share: {"pl-PL": 0.08}' in text


def test_differences_say_in_how_many_seeds_their_interval_is_above_or_below() -> None:
    """Of the small locale's differences .5, .0 and -.2 one interval holds 0."""
    rows = [line for line in _page(0.1, 0.6, 0.8).splitlines() if line.startswith("| unified_agnostic | non_unified")]
    whole = "| unified_agnostic | non_unified | +0.200 [+0.200 .. +0.200] | +0.100 .. +0.300 | 3 of 3 | 0 of 3 "
    assert rows == [whole + "| 1 of 3 | 1 of 3 |"]


def test_a_difference_that_was_not_evaluated_is_an_error() -> None:
    with pytest.raises(ValueError, match="no difference in micro recall of majority and non_unified in all"):
        _trained(0.1).recall_difference("majority", "non_unified", "all")


def test_the_page_is_read_from_what_the_pipeline_left(finished: Layout) -> None:
    findings = read_findings([finished, finished], {"fr-BE": 0.08})
    assert findings.small == ("fr-BE",)
    headline = json.loads(finished.summary.read_text())["headline"]
    assert findings.means.value("unified_aware", "micro_recall") == headline["unified_aware"]["micro_recall"]
    for variant, against in PAIRS:
        found = findings.seeds[0].recall_difference(variant, against, "all")
        expected = headline[variant]["micro_recall"] - headline[against]["micro_recall"]
        assert found.value == pytest.approx(expected)
        assert found.low <= found.value <= found.high
    assert "| unified_aware | non_unified |" in page(findings, "make taxonomy", {}, "plot.svg")


def test_the_params_that_the_study_changes_exist(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(Path("params.yaml").read_text())
    edit_params(file, YAML(typ="safe").load(CHANGES.read_text()))
    assert "google_taxonomy" in file.read_text()


def test_a_seed_changes_the_trainings_alone() -> None:
    """Else the seeds would be asked other queries."""
    stages = YAML(typ="safe").load(Path("dvc.yaml").read_text())["stages"]
    assert {name for name, stage in stages.items() if "seed" in stage.get("params", [])} == {
        "train_unified",
        "train_non_unified",
    }


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of params alone, of which copies are made."""

    def prepare_copy(root: Path, name: str, changes: Mapping[str, object]) -> Workspace:
        folder = root / "build/studies" / name
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile("params.yaml", folder / "params.yaml")
        edit_params(folder / "params.yaml", changes)
        return Workspace(folder)

    monkeypatch.setattr(google_taxonomy, "prepare_workspace", prepare_copy)
    return tmp_path


def test_small_trainings_run_side_by_side_between_the_large_ones_and_the_evaluation(
    copies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, Sequence[str]]] = []
    for name in ("run_pipeline", "reproduce_side_by_side", "reproduce"):
        monkeypatch.setattr(Workspace, name, lambda _, stages, name=name: asked.append((name, stages)))
    run_seed(prepare(copies, Options(), 4))
    (first, unified), (second, own), (third, evaluation) = asked
    assert (first, unified) == ("run_pipeline", ["train_unified"])
    assert (second, len(own), own[0]) == ("reproduce_side_by_side", 17, "train_non_unified@en-US")
    assert (third, evaluation) == ("reproduce", ["evaluate"])


def test_the_command_on_the_page_has_no_path_of_this_machine(tmp_path: Path) -> None:
    options = Options(taxonomy=tmp_path / "taxonomy", encoder=str(tmp_path / "an-encoder"))
    command = google_taxonomy.command("taxonomy", options, [1, 2])
    assert command == 'make taxonomy TAXONOMY=path/to/google-product-taxonomy ENCODER=path/to/an-encoder SEEDS="1 2"'
