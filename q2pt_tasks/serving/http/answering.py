"""From questions to answers, many at once, by one predictor."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from q2pt_tasks.data.queries import normalise_query
from q2pt_tasks.model.answers import Judged
from q2pt_tasks.model.prediction import Predictor
from q2pt_tasks.serving.http.documents import Answer, Meant, NearMiss, Question
from q2pt_tasks.serving.single import short


@dataclass(frozen=True)
class Asked:
    """A question, who answers it, and in whose name.

    Attributes:
        question: as it came.
        predictor: that of the question's store.
        model: the predictor's name in the release.
        release: the release's version.
    """

    question: Question
    predictor: Predictor
    model: str
    release: str


def answer(asked: Sequence[Asked]) -> list[Answer]:
    """The answers to questions that have one predictor."""
    normalised = [normalise_query(one.question.query) for one in asked]
    places = [place for place, query in enumerate(normalised) if query]
    if not places:
        return [_nothing(one) for one in asked]
    judged = asked[0].predictor.judge(
        [normalised[place] for place in places], [asked[place].question.locale for place in places]
    )
    meant = _meant(judged, asked[0].predictor.metadata.product_types)
    row_of = {place: row for row, place in enumerate(places)}
    return [
        _answer(one, meant[row], _near_misses(judged, row, one))
        if (row := row_of.get(place)) is not None
        else _nothing(one)
        for place, one in enumerate(asked)
    ]


def _nothing(asked: Asked) -> Answer:
    return _answer(asked, [], [])


def _answer(asked: Asked, meant: list[Meant], misses: list[NearMiss]) -> Answer:
    question = asked.question
    return Answer(
        query=question.query,
        locale=question.locale,
        model=asked.model,
        release=asked.release,
        product_types=meant,
        near_misses=misses,
        used_unknown_locale=asked.predictor.uses_unknown_locale(question.locale),
    )


def _meant(judged: Judged, names: Sequence[str]) -> list[list[Meant]]:
    answers = judged.answers()
    found = [
        Meant(product_type=names[index], score=short(score))
        for index, score in zip(answers.types.values.tolist(), answers.scores, strict=True)
    ]
    offsets = answers.types.offsets.tolist()
    return [found[start:end] for start, end in pairwise(offsets)]


def _near_misses(judged: Judged, row: int, asked: Asked) -> list[NearMiss]:
    """The best types below their thresholds, without those that the store does not sell."""
    wanted, metadata = asked.question.near_misses, asked.predictor.metadata
    if not wanted:
        return []
    unsold = frozenset(metadata.unsold.get(asked.question.locale, ()))
    scores, limits = judged.scores[judged.score_rows[row]], judged.limits[judged.limit_rows[row]]
    below = [index for index in judged.misses(row, wanted + len(unsold)) if metadata.product_types[index] not in unsold]
    return [
        NearMiss(
            product_type=metadata.product_types[index],
            score=short(scores[index]),
            threshold=short(limits[index]) if np.isfinite(limits[index]) else None,
        )
        for index in below[:wanted]
    ]
