"""Text of somebody else's where it is shown: what comes from a log, a catalog or a form stays text there."""

import re
import unicodedata

# What could begin a link, a picture, code, HTML or a cell of a table, or strike a sentence out.
_MARKS = re.compile(r"([\\`*~\[\]<>|])")


def in_markdown(text: str) -> str:
    """`text` on one line, which Markdown shows as it is: no link, no HTML, no picture that would be fetched."""
    return _MARKS.sub(r"\\\1", " ".join(text.split()))


def moves_cursor(text: str) -> bool:
    """Whether a terminal would do something else with `text` than show its lines, or cannot show it at all."""
    return any(unicodedata.category(sign) in ("Cc", "Cs") for sign in text if sign not in "\n\t")


def show_text(text: str, limit: int | None = None) -> str:
    """The beginning of `text`, its control characters and direction overrides replaced by signs that can be seen."""
    shown = "".join(_show_character(character) for character in text[:limit])
    return shown if limit is None or len(text) <= limit else f"{shown}…"


def _show_character(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    is_hidden = (
        unicodedata.category(character) in ("Cc", "Cs") or unicodedata.bidirectional(character) in _DIRECTION_OVERRIDES
    )
    return f"⟨U+{code:04X}⟩" if is_hidden else character


# They would rearrange the text around them. Plain right-to-left marks are ordinary in Arabic and Hebrew queries.
_DIRECTION_OVERRIDES = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
