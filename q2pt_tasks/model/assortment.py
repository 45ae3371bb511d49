"""Product types that a store does not sell: its queries teach nothing about them, and it is never given one.

Open in the paper (arXiv 2410.07121), whose stores share one label space whatever they sell.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from q2pt_tasks.model.examples import FloatMatrix

# A logit of it is a score of next to nothing and a loss of next to nothing, and finite in every objective.
_NEVER = -30.0

# Locale -> the product types of a label space that it does not sell.
Unsold = Mapping[str, Sequence[str]]


def read_unsold(file: Path, locales: Sequence[str], product_types: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """What each locale does not sell of `product_types`, from what stage `label` wrote of the catalog."""
    sold = json.loads(file.read_text(encoding="utf-8"))
    return {
        locale: tuple(name for name in product_types if name not in own)
        for locale, own in ((locale, set(sold[locale])) for locale in locales)
    }


def unsold_table(unsold: Unsold, locales: Sequence[str], product_types: Sequence[str]) -> NDArray[np.bool_]:
    """(locales, product types): true where the locale does not sell the type; it sells all where nothing is said."""
    return np.array([np.isin(product_types, unsold.get(locale, ())) for locale in locales])


def mask_logits(logits: torch.Tensor, unsold: NDArray[np.bool_]) -> torch.Tensor:
    """The logits with those of unsold types out of the way, where no gradient reaches them; both (queries, types)."""
    return logits.masked_fill(torch.from_numpy(unsold).to(logits.device), _NEVER)


def mask_scores(scores: FloatMatrix, unsold: NDArray[np.bool_]) -> FloatMatrix:
    """The scores with 0 for unsold types, (queries, types); `unsold` (queries, types) or (types,)."""
    return np.where(unsold, np.float32(0), scores)
