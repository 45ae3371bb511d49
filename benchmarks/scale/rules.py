"""What the versions to compare with must know of the params: the same numbers that the stages read."""

from dataclasses import dataclass
from pathlib import Path

from q2pt_tasks.data.floods import FloodRule
from q2pt_tasks.data.privacy import PrivacyParams
from q2pt_tasks.data.row_rules import Rule, Window, event_rules
from q2pt_tasks.data.schema import Locales
from q2pt_tasks.layout import Layout
from q2pt_tasks.params import read_section
from q2pt_tasks.sources.manifest import read_manifest, window
from q2pt_tasks.stages.ingest import IngestParams
from q2pt_tasks.stages.label import LabelParams
from q2pt_tasks.stages.split import SplitParams
from q2pt_tasks.stages.validate import ValidateParams

VISIBLE = r"[^\s\p{Z}\p{Cf}]"
CONTROL = r"\p{Cc}"
MAX_COUNT = 10**12


@dataclass(frozen=True)
class Job:
    """One log and what the params say about it."""

    folder: Path
    locales: tuple[str, ...]
    window: Window
    max_query_chars: int
    flood: FloodRule
    label: LabelParams
    split: SplitParams
    privacy: PrivacyParams

    @property
    def reasons(self) -> dict[str, str]:
        """The sentence of each rule by its name."""
        rules: tuple[Rule, ...] = event_rules(self.locales, self.window, self.max_query_chars)
        return {rule.name: rule.reason for rule in rules}


def read_job(folder: Path) -> Job:
    layout = Layout(folder)
    params = read_section(layout.params, "ingest", IngestParams)
    validate = read_section(layout.params, "validate", ValidateParams)
    days = window(read_manifest(layout.source_manifest).last_day, params.window_days)
    return Job(
        folder,
        read_section(layout.params, "locales", Locales),
        Window(days.first_day, days.last_day),
        validate.max_query_chars,
        validate.flood,
        read_section(layout.params, "label", LabelParams),
        read_section(layout.params, "split", SplitParams),
        read_section(layout.params, "privacy", PrivacyParams),
    )
