"""The queries of Google's product taxonomy, tokenised and labelled once for all contestants.

A query is a category's name, as the source `google_taxonomy` splits it; its label is the category's ancestor at level
3, or the category itself where a branch ends at level 2. No rule gives the paper's 1,414 types: categories at level 3
are 1,349, and those of level 2 that end a branch 52.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from benchmarks.performance.place import BRANCH, Place
from benchmarks.performance.rows import Rows, join
from q2pt_tasks.data.queries import normalise_query
from q2pt_tasks.data.splits import SplitRules
from q2pt_tasks.model.tokenizer import QueryTokenizer, load_tokenizer
from q2pt_tasks.sources.google_taxonomy import REFERENCE_LOCALE, REPEATED, Category, read_taxonomy, split_name

LEVEL = 3
MAX_TOKENS = 32
RULES = SplitRules("q2pt-1", validation=0.1, test=0.2)
_SEED = 13


@dataclass(frozen=True)
class Facts:
    """What the page says of the data, and what they were made from."""

    source: str
    locales: int
    queries: int
    training_queries: int
    mean_tokens: float
    seen_tokens: int
    types: int
    branch: str
    branch_queries: Mapping[str, int]
    branch_types: int


@dataclass(frozen=True)
class Query:
    """A normalised query of one locale and the ids of the categories that it means."""

    locale: str
    text: str
    labels: tuple[str, ...]

    @property
    def side(self) -> str:
        return RULES.side(self.text)

    @property
    def product_types(self) -> list[str]:
        return [product_type(label) for label in self.labels]


def product_type(label: str) -> str:
    """The name of the product type that stands for a category, as in the source `google_taxonomy`."""
    return f"GPC_{label}"


@dataclass(frozen=True)
class Taxonomy:
    """Google's files. An id means the same category in every locale, so that one of them says what stands above it."""

    files: Mapping[str, Path]

    @classmethod
    def of(cls, folder: Path) -> "Taxonomy":
        """The files in `folder`, without locales that repeat another one."""
        files = {file.name.split(".")[1]: file for file in sorted(folder.glob("taxonomy-with-ids.*.txt"))}
        return cls({locale: file for locale, file in files.items() if locale not in REPEATED})

    @cached_property
    def reference(self) -> list[Category]:
        return read_taxonomy(self.files[REFERENCE_LOCALE])

    @cached_property
    def labels(self) -> dict[str, str]:
        """The id of each category that is a query -> that of its label."""
        ids = {category.path: category.id for category in self.reference}
        inner = {category.path[:-1] for category in self.reference}
        return {
            category.id: ids[category.path[:LEVEL]]
            for category in self.reference
            if len(category.path) >= LEVEL or (len(category.path) == LEVEL - 1 and category.path not in inner)
        }

    @cached_property
    def branches(self) -> dict[str, str]:
        """The id of each label -> the name of the category at level 1 above it."""
        types = set(self.types)
        return {category.id: category.path[0] for category in self.reference if category.id in types}

    @cached_property
    def types(self) -> list[str]:
        return sorted(set(self.labels.values()), key=int)

    def queries(self) -> list[Query]:
        """Every query of every locale, in random order."""
        found = [query for locale in self.files for query in self._of_locale(locale)]
        order = np.random.default_rng(_SEED).permutation(len(found))
        return [found[index] for index in order]

    def _of_locale(self, locale: str) -> Iterator[Query]:
        meanings: dict[str, set[str]] = {}
        for category in read_taxonomy(self.files[locale]):
            if label := self.labels.get(category.id):
                for name in split_name(category.path[-1]):
                    meanings.setdefault(normalise_query(name), set()).add(label)
        return (Query(locale, text, tuple(sorted(labels, key=int))) for text, labels in meanings.items() if text)


@dataclass(frozen=True)
class Encoding:
    """How queries become rows: the tokenizer, and the label space and locales in the order of their indices."""

    tokenizer: QueryTokenizer
    types: Sequence[str]
    locales: Sequence[str]

    def rows(self, queries: Sequence[Query]) -> Rows:
        type_index = {name: index for index, name in enumerate(self.types)}
        locale_index = {name: index for index, name in enumerate(self.locales)}
        tokens = self.tokenizer.encode([query.text for query in queries], MAX_TOKENS)
        return Rows(
            join([np.array(ids) for ids in tokens]),
            join([np.array([type_index[label] for label in query.labels]) for query in queries]),
            np.array([locale_index[query.locale] for query in queries]),
            len(self.types),
        )


@dataclass(frozen=True)
class Corpus:
    """All that is made from the taxonomy: queries, and the branch of it that models are graded on."""

    taxonomy: Taxonomy
    queries: Sequence[Query]
    tokenizer: QueryTokenizer

    @classmethod
    def read(cls, folder: Path, encoder: Path) -> "Corpus":
        taxonomy = Taxonomy.of(folder)
        return cls(taxonomy, taxonomy.queries(), load_tokenizer(encoder))

    def of_side(self, side: str) -> list[Query]:
        return [query for query in self.queries if query.side == side]

    @cached_property
    def branch(self) -> str:
        """The category at level 1 with the most queries."""
        counts: dict[str, int] = {}
        for query in self.queries:
            name = self.taxonomy.branches[query.labels[0]]
            counts[name] = counts.get(name, 0) + 1
        return max(counts, key=lambda name: counts[name])

    @cached_property
    def branch_types(self) -> list[str]:
        return [label for label in self.taxonomy.types if self.taxonomy.branches[label] == self.branch]

    def branch_rows(self, side: str) -> Rows:
        """The branch's queries, with no label but its own."""
        own = set(self.branch_types)
        queries = [query for query in self.of_side(side) if own.issuperset(query.labels)]
        return Encoding(self.tokenizer, self.branch_types, list(self.taxonomy.files)).rows(queries)


def write_rows(corpus: Corpus, place: Place, source: str) -> Facts:
    """Writes the rows and the texts that contestants read, and returns what they are."""
    encoding = Encoding(corpus.tokenizer, corpus.taxonomy.types, list(corpus.taxonomy.files))
    train = encoding.rows(corpus.of_side("train"))
    train.save(place.rows("train"))
    parts = {side: corpus.branch_rows(side) for side in ("train", "validation", "test")}
    for side, rows in parts.items():
        rows.save(place.rows(f"{BRANCH}-{side}"))
    texts = [query.text for query in corpus.of_side("test")]
    place.texts.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return Facts(
        source=source,
        locales=len(corpus.taxonomy.files),
        queries=len(corpus.queries),
        training_queries=len(train),
        mean_tokens=round(float(train.tokens.lengths.mean()), 2),
        seen_tokens=len(np.unique(train.tokens.values)),
        types=len(corpus.taxonomy.types),
        branch=corpus.branch,
        branch_queries={side: len(rows) for side, rows in parts.items()},
        branch_types=len(corpus.branch_types),
    )


def source_hash(taxonomy: Path, encoder: Path, settings: Sequence[object]) -> str:
    """Of all that the data and the checkpoints are made from."""
    files = [*sorted(taxonomy.glob("taxonomy-with-ids.*.txt")), *sorted(encoder.glob("*.json"))]
    digest = hashlib.sha256(repr(settings).encode())
    for file in files:
        digest.update(file.name.encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def read_facts(place: Place) -> Facts:
    return Facts(**json.loads(place.facts.read_text(encoding="utf-8")))


def write_facts(place: Place, facts: Facts) -> None:
    place.facts.write_text(json.dumps(asdict(facts), indent=1) + "\n", encoding="utf-8")
