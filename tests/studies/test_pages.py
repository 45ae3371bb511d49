import pytest

from q2pt_tasks.data.splits import SplitRules
from q2pt_tasks.sources.synthetic.source import PlantedQuery
from q2pt_tasks.studies.pages import table
from q2pt_tasks.studies.synthetic_seeds import held_out_planted


def test_a_table_shows_three_decimals_and_a_dash_for_nothing() -> None:
    assert table(["a", "b", "c"], [[0.12345, None, 1234]]).splitlines()[-1] == "| 0.123 | – | 1,234 |"


@pytest.mark.parametrize(
    ("other", "kept"), [("UNDERPANTS", 2), ("TROUSERS", 0)], ids=["meanings differ", "one meaning everywhere"]
)
def test_only_held_out_queries_with_differing_meanings_are_asked(other: str, kept: int) -> None:
    planted = [PlantedQuery("pants", "en-US", "TROUSERS"), PlantedQuery("pants", "en-GB", other)]
    assert len(held_out_planted(planted, SplitRules("s", validation=1e-9, test=0.999999))) == kept
    assert held_out_planted(planted, SplitRules("s", validation=0.1, test=1e-9)) == []
