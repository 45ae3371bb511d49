"""How a cell looks, without what it says: messages end in logs, and where columns are confused it may be a query."""

import re

_LIMIT = 80
# The form of a locale, well written or not. Hardly anything so short tells who typed it.
LOCALE_LIKE = r"^(?:[A-Za-z]{2}|[A-Za-z]{2,3}(?:[-_][A-Za-z]{4})?[-_](?:[A-Za-z]{2}|[0-9]{3}))\z"


def shape_of(value: object) -> str:
    """The beginning of a value as text, with 9 for a digit, a for a letter, and · for other signs beyond ASCII."""
    text = str(value)
    shape = "".join(map(_sign, text[:_LIMIT]))
    return f"{shape}…" if len(text) > _LIMIT else shape


def is_like_locale(text: str) -> bool:
    """Whether a text has the form `LOCALE_LIKE`."""
    # What engines call \z, Python calls \Z.
    return re.match(LOCALE_LIKE.replace(r"\z", r"\Z"), text) is not None


def show_locale(text: str) -> str:
    """A text in the place of a locale: itself where it is empty or has a locale's form, else how it looks."""
    return repr(text) if not text or is_like_locale(text) else f"something like {shape_of(text)!r}"


def _sign(character: str) -> str:
    if character.isdecimal():
        return "9"
    if character.isalpha():
        return "a"
    return character if character.isascii() and character.isprintable() else "·"
