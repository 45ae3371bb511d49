"""What a library's error says, fit for logs: it may repeat cells of the log, which may be queries, and passwords."""

import re

from q2pt_tasks.plain_text import show_text

_COLOUR = re.compile(r"\x1b\[[0-9;]*m|↳")
_USER = re.compile(r"://\S*@")
_QUERY = re.compile(r"(://[^\s?]*\?)\S+")
# But for the one in "cannot" cut short.
_QUOTATION_MARK = re.compile(r"[\"`]|(?<!n)'|'(?!t\b)")
# Some begin with what was tried and some end with why it failed.
_FIRST_CHARS, _LAST_CHARS = 150, 250


def said(text: str) -> str:
    """What an error says that knows nothing of rows: on one line, users and queries of its addresses taken out."""
    line = " ".join(_COLOUR.sub("", text).split())
    shown = show_text(_QUERY.sub(r"\1…", _USER.sub("://…@", line)))
    if len(shown) <= _FIRST_CHARS + _LAST_CHARS:
        return shown
    return f"{shown[:_FIRST_CHARS]}…{shown[-_LAST_CHARS:]}"


def said_of_rows(text: str) -> str:
    """The same of an error that may know rows, up to its first quotation mark, after which a cell may stand."""
    known = _QUOTATION_MARK.split(text, maxsplit=1)[0]
    return said(known if known == text else f"{known}…")


def first_line(error: Exception) -> str:
    """Without the pages that may follow."""
    return str(error).split("\n", 1)[0]
