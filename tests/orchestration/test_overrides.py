"""The form changes params.yaml and nothing else of it; a run's window has one last day."""

import difflib
import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from q2pt_tasks.data.schema import Locales
from q2pt_tasks.orchestration.form import Form, FormError, read_form
from q2pt_tasks.orchestration.overrides import changes_of, read_committed, window_end
from q2pt_tasks.params import read_section
from q2pt_tasks.params_edit import edit_params

NEWEST = date(2026, 6, 30)
KEPT = ("en-US", "de-DE", "en-GB")


@pytest.fixture
def params(tmp_path: Path) -> Path:
    return Path(shutil.copyfile("params.yaml", tmp_path / "params.yaml"))


def _apply(form: Form, params: Path) -> None:
    edit_params(params, changes_of(form, read_committed(params)))


def _changed_lines(params: Path) -> list[str]:
    before, after = Path("params.yaml").read_text(), params.read_text()
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    return [line for line in lines if line[0] in "+-" and line[:3] not in ("+++", "---")]


def test_an_empty_form_changes_nothing(params: Path) -> None:
    _apply(read_form({}), params)
    assert _changed_lines(params) == []


def test_only_the_lines_of_the_form_change_and_comments_stay(params: Path) -> None:
    _apply(read_form({"encoder": "/models/e5", "epochs": 2}), params)
    assert _changed_lines(params) == [
        "-  name: scratch",
        "+  name: /models/e5",
        "-    max_epochs: 6",
        "+    max_epochs: 2",
        "-    max_epochs: 15",
        "+    max_epochs: 2",
    ]


def test_epochs_change_the_recipe_of_the_committed_encoder(params: Path) -> None:
    _apply(read_form({"epochs": 2}), params)
    for training in ("train_unified", "train_non_unified"):
        section = read_section(params, training, dict[str, dict[str, int] | int | float | object])
        assert section["scratch"]["max_epochs"] == 2  # type: ignore[index]
        assert section["pretrained"]["max_epochs"] > 2  # type: ignore[index]


def test_locales_and_variants_are_narrowed_in_the_committed_order(params: Path) -> None:
    _apply(read_form({"locales": ["de-DE", "en-GB", "en-US", "en-GB"], "variants": ["unified_aware"]}), params)
    assert read_section(params, "locales", Locales) == KEPT
    gone = [locale for locale in read_section(Path("params.yaml"), "locales", Locales) if locale not in KEPT]
    assert _changed_lines(params) == [f"-  - {name}" for name in (*gone, "unified_agnostic")]


def test_comments_beside_and_below_a_narrowed_list_stay(tmp_path: Path) -> None:
    params = tmp_path / "params.yaml"
    params.write_text("locales:\n  - en-US # large\n  - en-GB\n  - fr-BE # small\n\n# Below.\nvariants: []\n")
    edit_params(params, {"locales": ["en-US", "en-GB"]})
    assert params.read_text() == "locales:\n  - en-US # large\n  - en-GB\n\n# Below.\nvariants: []\n"


@pytest.mark.parametrize(("field", "value"), [("locales", "en-NZ"), ("variants", "unified_both")])
def test_adding_a_locale_or_variant_needs_a_commit(params: Path, field: str, value: str) -> None:
    before = params.read_bytes()
    with pytest.raises(FormError, match=f"the form's {field} are to have {value}; committed are .* adding one needs a"):
        _apply(read_form({field: [value]}), params)
    assert params.read_bytes() == before


@pytest.mark.parametrize(
    ("form", "committed", "logical", "expected"),
    [
        (None, None, None, NEWEST),
        (None, None, 12, date(2026, 6, 12)),
        ("2026-06-20", None, 12, date(2026, 6, 20)),
        ("2026-06-20", date(2026, 6, 15), 12, date(2026, 6, 20)),
        (None, date(2026, 6, 15), 12, date(2026, 6, 15)),
        ("2026-06-30", None, None, NEWEST),
    ],
)
def test_the_window_ends_with_the_form_the_committed_or_the_logical_day(
    form: str | None, committed: date | None, logical: int | None, expected: date
) -> None:
    at = datetime(2026, 6, logical, 2, tzinfo=UTC) if logical else None
    assert window_end(read_form({"last_day": form}), committed, at, NEWEST) == expected


def test_a_night_ends_with_the_newest_complete_day_and_not_with_its_own() -> None:
    assert window_end(read_form({}), None, datetime(2026, 7, 1, 2, tzinfo=UTC), NEWEST) == NEWEST


def test_a_day_that_the_source_does_not_have_yet_is_refused() -> None:
    with pytest.raises(FormError, match="last_day is 2026-07-01; the newest complete day of the source is 2026-06-30"):
        window_end(read_form({"last_day": "2026-07-01"}), None, None, NEWEST)
