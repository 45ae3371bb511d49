"""Text of somebody else's stays text, whatever it holds."""

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from q2pt_tasks.plain_text import in_markdown, moves_cursor, show_text

# What Airflow's page and GitHub read, without links of bare addresses, which show where they lead.
MARKDOWN = MarkdownIt("gfm-like", {"linkify": False})
HOSTILE = [
    "[Approve here](https://evil.example)",
    "![](https://evil.example/pixel)",
    "![a][b]",
    "<https://evil.example>",
    "<img src=x onerror=alert(1)>",
    "a | b | c",
    "`code` and ~~not~~ **true**",
    r"\[a](b)",
    "[a]: https://evil.example",
]


def _kinds(text: str) -> set[str]:
    return {token.type for block in MARKDOWN.parseInline(text) for token in block.children or ()}


@pytest.mark.parametrize("text", HOSTILE)
def test_no_link_picture_or_html_comes_of_it(text: str) -> None:
    assert _kinds(in_markdown(text)) <= {"text", "text_special"}
    assert html.unescape(MARKDOWN.renderInline(in_markdown(text))) == text, "and a person reads what it was"


@given(st.text("[]()!<>`~*|\\a:/ \n", max_size=40))
def test_whatever_it_is(text: str) -> None:
    assert _kinds(in_markdown(text)) <= {"text", "text_special"}


@pytest.mark.parametrize("text", ["Recall is 0.700, needed +0.012.", "unified_aware (v1)", "fr-BE: 20 %"])
def test_plain_sentences_are_left_as_they_are(text: str) -> None:
    assert in_markdown(text) == text


def test_it_stays_on_one_line() -> None:
    assert in_markdown("one\n# two\n\n| three |") == r"one # two \| three \|"


@pytest.mark.parametrize("text", ["\x1b[2J", "a\x00b", "a\rb", "\x9b2J", "\ud800"])
def test_what_moves_a_cursor_is_noticed(text: str) -> None:
    assert moves_cursor(text)


@pytest.mark.parametrize("text", ["", "Größe, 日本 👖", "two\nlines\tof text", "; rm -rf / $(id)"])
def test_text_of_any_script_and_of_many_lines_does_not(text: str) -> None:
    assert not moves_cursor(text)


def test_shown_text_does_nothing_and_says_that_it_is_cut() -> None:
    assert show_text("a\x1b\x7f\u202e\udcff") == "a␛⟨U+007F⟩⟨U+202E⟩⟨U+DCFF⟩"
    assert (show_text("abc", 3), show_text("abcd", 3)) == ("abc", "abc…")
