from pathlib import Path

import pytest
from ruamel.yaml import YAML

from q2pt_tasks.data.splits import SplitRules
from q2pt_tasks.params_edit import edit_params
from q2pt_tasks.report.tables import Row, Summary
from q2pt_tasks.sources.synthetic.source import PlantedQuery
from q2pt_tasks.studies.google_taxonomy import CHANGES, Findings, page
from q2pt_tasks.studies.pages import table
from q2pt_tasks.studies.synthetic_seeds import held_out_planted

VALUES = {
    "non_unified": 0.4,
    "unified_agnostic": 0.6,
    "unified_aware": 0.7,
    "tfidf_per_locale": 0.3,
    "tfidf_unified": 0.3,
}


def _findings(own_in_small: float) -> Findings:
    rows = tuple(
        Row(variant, locale, "test", metric, own_in_small if (variant, locale) == SMALL else value, 100)
        for variant, value in VALUES.items()
        for locale in ("all", "en-US", "pl-PL")
        for metric in ("micro_recall", "micro_recall_curve")
    )
    groups = {"100% kept": ("en-US",), "8% kept": ("pl-PL",)}
    return Findings(Summary(0.8, rows, (), None), {"en-US": 900, "pl-PL": 70}, groups, seed=13)


SMALL = ("non_unified", "pl-PL")


def test_the_conclusion_says_yes_where_sharing_wins_in_every_small_locale() -> None:
    text = page(_findings(0.1), {}, None)
    assert "unified_aware above per-locale training in every small locale: yes." in text
    assert "unified_aware above all-locale TF-IDF over all locales: yes." in text
    assert "per-locale fine-tuning above per-locale TF-IDF in every locale: no, not in pl-PL." in text


def test_the_conclusion_names_where_sharing_loses() -> None:
    text = page(_findings(0.65), {}, "an-encoder")
    assert "unified_agnostic above per-locale training in every small locale: no, not in pl-PL." in text
    assert "unified_aware above per-locale training in every small locale: yes." in text
    assert "ENCODER=path/to/an-encoder" in text


def test_a_table_shows_three_decimals_and_a_dash_for_nothing() -> None:
    assert table(["a", "b", "c"], [[0.12345, None, 1234]]).splitlines()[-1] == "| 0.123 | – | 1,234 |"


@pytest.mark.parametrize(
    ("other", "kept"), [("UNDERPANTS", 2), ("TROUSERS", 0)], ids=["meanings differ", "one meaning everywhere"]
)
def test_only_held_out_queries_with_differing_meanings_are_asked(other: str, kept: int) -> None:
    planted = [PlantedQuery("pants", "en-US", "TROUSERS"), PlantedQuery("pants", "en-GB", other)]
    assert len(held_out_planted(planted, SplitRules("s", validation=1e-9, test=0.999999))) == kept
    assert held_out_planted(planted, SplitRules("s", validation=0.1, test=1e-9)) == []


def test_the_params_that_a_study_changes_exist(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(Path("params.yaml").read_text())
    edit_params(file, YAML(typ="safe").load(CHANGES.read_text()))
    assert "google_taxonomy" in file.read_text()
