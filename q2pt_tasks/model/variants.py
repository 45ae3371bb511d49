"""The three variants of the paper (arXiv 2410.07121, section 3), and how a model is told the locale.

The paper prepends a locale-id token to the query and does not say whether it is a piece of text or an entry of the
vocabulary. Here it is an entry of its own, a special token after the sequence's first one.
"""

from collections.abc import Sequence
from typing import Literal

NON_UNIFIED = "non_unified"
UNIFIED_AGNOSTIC = "unified_agnostic"
UNIFIED_AWARE = "unified_aware"
UNIFIED_VARIANTS = (UNIFIED_AGNOSTIC, UNIFIED_AWARE)

# The section `variants` of params.yaml.
Variants = tuple[Literal["unified_agnostic", "unified_aware"], ...]

# Stands for a locale that the model was not trained on; trained by locale dropout.
UNKNOWN_LOCALE_TOKEN = "[unknown-locale]"  # noqa: S105 - a token of text, not a secret


def locale_token(locale: str) -> str:
    return f"[{locale}]"


def locale_tokens(locales: Sequence[str]) -> list[str]:
    """The special tokens that a locale-aware model of `locales` adds to its vocabulary."""
    return [UNKNOWN_LOCALE_TOKEN, *map(locale_token, locales)]
