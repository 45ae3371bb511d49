"""The pages in docs/results/ are those that the studies would write today, figures left out."""

import importlib

import pytest
from study_results import RESULTS

from q2pt_tasks.studies.catalogue import CATALOGUE, entry_of
from q2pt_tasks.studies.pages import code
from q2pt_tasks.studies.runner import RESULTS as PAGES
from q2pt_tasks.studies.runner import _yaml

# They write their pages themselves.
NOT_BY_THE_RUNNER = {"google_taxonomy", "synthetic_seeds", "training_noise"}
# The heading of a section that says the same whatever was measured.
CHANGED = "Changed against `params.yaml`"


def test_every_study_of_the_runner_is_asked() -> None:
    assert set(RESULTS) == {entry.name for entry in CATALOGUE} - NOT_BY_THE_RUNNER


@pytest.mark.parametrize("name", RESULTS)
def test_a_page_says_what_its_study_asks_and_changes_today(name: str) -> None:
    told = importlib.import_module(f"q2pt_tasks.studies.{name}").page(RESULTS[name]())
    parts = [f"# {entry_of(name).question}", told.introduction, *(f"## {heading}" for heading in told.sections)]
    if told.changes:
        parts.append(code(_yaml(told.changes)))
    if CHANGED in told.sections:
        parts.append(told.sections[CHANGED])
    page = PAGES / entry_of(name).page
    assert page.is_file(), f"{page} is missing: run `q2pt study {name}`"
    # Whole paragraphs: a heading or a block of changes that only begins like today's is another one.
    lacking = [part for part in parts if f"\n\n{part}\n\n" not in f"\n\n{page.read_text(encoding='utf-8')}\n\n"]
    assert not lacking, f"{page} is out of date: run `q2pt study {name}` again"
