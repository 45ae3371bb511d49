"""A few answers that go with a release, so that whoever loads it can tell that it answers as it did when it was made.

Nothing that a shopper typed: the queries are the names of product types, and a release is kept for ever.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from q2pt_tasks.model.prediction import Predictor
from q2pt_tasks.registry.release import GoldenAnswer, ReleasedCheckpoint

# Another machine may compute in another precision: bf16 has three digits.
TOLERANCE = 0.02
_QUERIES = 3


class GoldenAnswerError(RuntimeError):
    """A release does not answer as it did when it was made."""


def golden_answers(
    checkpoints: Sequence[ReleasedCheckpoint], path: Callable[[ReleasedCheckpoint], Path]
) -> tuple[GoldenAnswer, ...]:
    """The best score of a few queries in every store that `checkpoints` serve.

    Raises:
        CheckpointError: one cannot be loaded.
    """
    return tuple(answer for one in checkpoints for answer in _answers(Predictor.load(path(one)), one.locales))


def check_answers(golden: Sequence[GoldenAnswer], path: Callable[[str], Path | None]) -> None:
    """Checks that the checkpoint of every store answers as it did.

    Args:
        golden: the answers of a release.
        path: the directory of a store's checkpoint.

    Raises:
        GoldenAnswerError: it does not, or there is none.
        CheckpointError: one cannot be loaded.
    """
    loaded: dict[Path, Predictor] = {}
    for answer in golden:
        folder = path(answer.locale)
        if folder is None:
            raise GoldenAnswerError(f"the release serves {answer.locale}, but has no checkpoint for it")
        if folder not in loaded:
            # One at a time: twenty large ones do not fit in memory.
            loaded = {folder: Predictor.load(folder)}
        _check(loaded[folder], answer)


def _answers(predictor: Predictor, locales: Sequence[str]) -> Iterator[GoldenAnswer]:
    types = predictor.metadata.product_types
    queries = list(dict.fromkeys(_in_words(types[index]) for index in (0, len(types) // 2, len(types) - 1)))[:_QUERIES]
    for locale in locales:
        for query, scores in zip(queries, predictor.scores(queries, locale), strict=True):
            best = int(scores.argmax())
            yield GoldenAnswer(locale, query, types[best], round(float(scores[best]), 6))


def _check(predictor: Predictor, answer: GoldenAnswer) -> None:
    types = predictor.metadata.product_types
    if answer.product_type not in types:
        raise GoldenAnswerError(f"the checkpoint of {answer.locale} does not know {answer.product_type}")
    found = float(predictor.scores([answer.query], answer.locale)[0, types.index(answer.product_type)])
    if abs(found - answer.score) > TOLERANCE:
        raise GoldenAnswerError(
            f"in {answer.locale} {answer.query!r} means {answer.product_type} with a score of {found:.4f}, and was "
            f"{answer.score:.4f} when the release was made: its files are right, so the code that reads them differs; "
            f"use that of the release's commit"
        )


def _in_words(product_type: str) -> str:
    return product_type.replace("_", " ").lower()
