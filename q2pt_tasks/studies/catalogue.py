"""Which studies there are, what each asks, and the options that it takes. Read without what a study imports."""

from collections.abc import Sequence
from dataclasses import dataclass

TAXONOMY, ENCODER, SEEDS, OWN_LOG = "taxonomy", "encoder", "seeds", "own-log"


@dataclass(frozen=True)
class Entry:
    """One study: the name of its module, its question, and its options by their names on the command line."""

    name: str
    question: str
    options: Sequence[str] = ()

    @property
    def page(self) -> str:
        """The file of its page in `docs/results/`."""
        return f"{self.name.replace('_', '-')}.md"


CATALOGUE = (
    Entry("google_taxonomy", "Real text: does sharing lift small stores?", (TAXONOMY, ENCODER, SEEDS)),
    Entry("synthetic_seeds", "Small stores, and words that differ by store: does it hold over seeds?", (SEEDS,)),
    Entry("training_noise", "What does another seed of training alone change?", (SEEDS,)),
    Entry("locale_pairs", "Which queries mean other things in another store, and does a model know?", (OWN_LOG,)),
    Entry("label_noise", "How much do wrong training labels cost?", (SEEDS,)),
    Entry("assortment", "Product types that a store does not sell: is it worth to mask them?", (SEEDS,)),
    Entry("training_size", "How many queries of its own does a store need until sharing does not help?", (SEEDS,)),
    Entry(
        "cold_start", "A store that opens without a query: what does a unified model know of it?", (TAXONOMY, ENCODER)
    ),
    Entry("objectives", "What to train for: cross-entropy, softmax or sparsemax?", (TAXONOMY, ENCODER, SEEDS)),
    Entry("head", "What stands between the encoder and the scores: does it matter?", (SEEDS,)),
    Entry("encoders", "How much of a pre-trained encoder is needed?", (TAXONOMY, ENCODER, SEEDS)),
)


def entry_of(name: str) -> Entry:
    return next(entry for entry in CATALOGUE if entry.name == name)


def listing() -> str:
    """What `q2pt study` prints: a line per study."""
    width = max(len(entry.name) for entry in CATALOGUE)
    lines = [f"  {entry.name:<{width}}  {entry.question} -> docs/results/{entry.page}" for entry in CATALOGUE]
    return "\n".join(["Studies, each run by `q2pt study NAME`, taken up again by the same command:", *lines])
