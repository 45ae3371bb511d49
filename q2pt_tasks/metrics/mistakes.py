"""Where a variant is wrong: the product types that it finds least of, and the mistakes that it is surest of."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from q2pt_tasks.metrics.observed import Answers
from q2pt_tasks.metrics.scored import Floats, Indices, Scored, places_of, row_steps
from q2pt_tasks.metrics.thresholds import Thresholds

# Examples of a type, and types that stand in its place.
EXAMPLES = 3


@dataclass(frozen=True)
class Mistake:
    """A predicted type that is wrong: the query as an index, the type, its score, and what would be right."""

    query: int
    predicted: str
    score: float
    truth: tuple[str, ...]


@dataclass(frozen=True)
class TypeFigure:
    """One product type over all locales.

    Attributes:
        product_type: its name.
        recall: share of its true pairs that are predicted.
        precision: share of its predicted pairs that are true; None where it is never predicted.
        positives: its true pairs.
        missed: queries that mean it and for which it is not predicted, as indices, those with the most clicks first.
        instead: the types predicted in its place, the most frequent first.
    """

    product_type: str
    recall: float
    precision: float | None
    positives: int
    missed: tuple[int, ...]
    instead: tuple[str, ...]


def surest_mistakes(blocks: Iterable[Scored], thresholds: Thresholds, most: int) -> list[Mistake]:
    """The wrong predictions of the highest scores, one for each query at most, the highest first."""
    found: list[Mistake] = []
    start = 0
    for block in blocks:
        mistakes = [replace(mistake, query=mistake.query + start) for mistake in _of_block(block, thresholds, most)]
        found = sorted([*found, *mistakes], key=lambda mistake: (-mistake.score, mistake.query))[:most]
        start += len(block)
    return found


def worst_types(answers: Answers, clicks: Floats, min_positives: int, most: int) -> list[TypeFigure]:
    """The types with the lowest recall, of equals those with more positives; all have `min_positives` or more.

    Args:
        answers: those of a variant.
        clicks: (n,) of each query: which of the missed ones are shown.
        min_positives: true pairs that a type needs.
        most: types at most.
    """
    size = len(answers.types)
    positives = np.bincount(answers.type[answers.right], minlength=size)
    hits = np.bincount(answers.type[answers.right & answers.predicted], minlength=size)
    enough = np.flatnonzero(positives >= max(1, min_positives))
    recall = hits[enough] / positives[enough]
    worst = enough[np.lexsort((enough, -positives[enough], recall))][:most]
    return [_type_figure(answers, clicks, int(index)) for index in worst]


def _of_block(block: Scored, thresholds: Thresholds, most: int) -> Iterator[Mistake]:
    limits = np.array([thresholds.for_locale(locale, block.types) for locale in block.locales])
    for rows in row_steps(block.scores.shape):
        scores, truth = block.scores[rows], block.targets[rows]
        queries, types = places_of((scores >= limits[block.locale[rows]]) & ~truth)
        ranked = np.lexsort((types, queries, -scores[queries, types]))
        _, first = np.unique(queries[ranked], return_index=True)
        for place in ranked[np.sort(first)][:most]:
            query, predicted = int(queries[place]), int(types[place])
            right = tuple(block.types[index] for index in np.flatnonzero(truth[query]))
            yield Mistake(rows.start + query, block.types[predicted], float(scores[query, predicted]), right)


def _type_figure(answers: Answers, clicks: Floats, index: int) -> TypeFigure:
    mine = answers.type == index
    hits, predicted = (mine & answers.right & answers.predicted).sum(), (mine & answers.predicted).sum()
    missed = answers.query[mine & answers.right & ~answers.predicted]
    most_clicked = missed[np.lexsort((missed, -clicks[missed]))][:EXAMPLES]
    positives = int((mine & answers.right).sum())
    return TypeFigure(
        answers.types[index],
        float(hits / positives),
        float(hits / predicted) if predicted else None,
        positives,
        tuple(int(query) for query in most_clicked),
        tuple(answers.types[other] for other in _instead(answers, missed)),
    )


def _instead(answers: Answers, missed: Indices) -> list[int]:
    """The types wrongly predicted for the queries `missed`, the most frequent first."""
    others = answers.type[answers.predicted & ~answers.right & np.isin(answers.query, missed)]
    found, times = np.unique(others, return_counts=True)
    return [int(index) for index in found[np.lexsort((found, -times))][:EXAMPLES]]
