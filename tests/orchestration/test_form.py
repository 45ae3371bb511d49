"""The form takes what a person may ask, and refuses the rest by name."""

from datetime import date
from typing import Any

import pytest

from q2pt_tasks.orchestration.form import Form, FormError, read_form

HOSTILE = ("; rm -rf /", "$(id)", "`id`", "--force", "../../x", "a\nb", "en-US\n", "", "a b", "a\x00b", "-", "..")


def test_an_empty_form_asks_for_nothing() -> None:
    assert read_form({}) == read_form(dict.fromkeys(Form.model_fields)) == Form()


def test_a_full_form_is_read_as_json_has_it() -> None:
    form = read_form(
        {
            "last_day": "2026-06-28",
            "locales": ["en-US", "zh-Hant-TW"],
            "variants": ["unified_aware"],
            "encoder": "intfloat/multilingual-e5-small",
            "epochs": 3,
            "force": True,
            "approval": False,
            "promote": None,
            "why": "A look at June.\n\n- small stores\t(two)",
        }
    )
    assert form.last_day == date(2026, 6, 28)
    assert form.locales == ("en-US", "zh-Hant-TW")
    assert (form.epochs, form.force, form.approval, form.promote) == (3, True, False, None)


def test_a_reason_and_a_wish_to_be_asked_override_nothing_of_a_run() -> None:
    assert read_form({"why": "to look", "approval": True}).overrides() == ()
    form = read_form({"why": "to look", "epochs": 3, "promote": True, "approval": False})
    assert form.overrides() == ("epochs", "promote")


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("field", ["locales", "variants", "encoder"])
def test_a_name_that_is_none_is_refused_by_its_field(field: str, value: str) -> None:
    with pytest.raises(FormError, match=f"the form's {field} is .*; allowed: "):
        read_form({field: value if field == "encoder" else ["en-US", value]})


@pytest.mark.parametrize("value", ["; rm -rf /", "$(id)", "--force", "../../x", "two\nlines", "Größe, 日本"])
def test_a_reason_may_say_anything(value: str) -> None:
    assert read_form({"why": value}).why == value


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("why", "\x1b[2J"),
        ("why", "a\x00b"),
        ("why", "a\rb"),
        ("why", "x" * 1001),
        ("encoder", "x" * 1001),
        ("encoder", "models/../../etc"),
        ("encoder", "/models/../etc"),
        ("encoder", "/models/e5 small"),
        ("encoder", "owner/name/deeper"),
        ("encoder", "~/e5"),
        ("locales", []),
        ("locales", "en-US"),
        ("epochs", 0),
        ("epochs", 1001),
        ("epochs", "3"),
        ("epochs", 1.5),
        ("force", "true"),
        ("force", 1),
        ("last_day", "2026-02-30"),
        ("last_day", "2026-06-28T02:00:00"),
        ("last_day", 20000),
        ("last_day", "; rm -rf /"),
    ],
)
def test_a_value_that_no_run_can_have_is_refused_by_its_field(field: str, value: Any) -> None:  # noqa: ANN401
    with pytest.raises(FormError, match=f"^the form's {field} is "):
        read_form({field: value})


@pytest.mark.parametrize("encoder", ["scratch", "owner/name", "name", "/models/e5", "/home/me/.cache/e5_small.v2"])
def test_encoders_are_names_of_a_hub_and_absolute_paths(encoder: str) -> None:
    assert read_form({"encoder": encoder}).encoder == encoder


def test_a_field_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(FormError, match=r"no field 'learning_rate'; it has last_day, locales"):
        read_form({"learning_rate": 1})


def test_text_that_is_no_text_is_refused() -> None:
    with pytest.raises(FormError):
        read_form({"why": "\ud800"})
