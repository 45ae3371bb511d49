"""Eight stores of the synthetic log, for studies of many trainings: half of its traffic, and all that differs."""

from collections.abc import Mapping
from typing import Any

LARGE = ("en-US", "de-DE", "fr-FR", "es-ES")
# They sell 80 % of the types; three share their language with a large one.
SMALL = ("de-AT", "fr-BE", "en-SG", "pl-PL")

SMALL_SHOP: Mapping[str, Any] = {
    "ingest.source": "synthetic",
    "locales": [*LARGE, *SMALL],
    # They ask about the encoder.
    "train_unified.scratch.ngrams": None,
    "train_non_unified.scratch.ngrams": None,
}
