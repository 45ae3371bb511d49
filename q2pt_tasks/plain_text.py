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
