"""The few figures that a reader takes away, at the top of the page."""

from dataclasses import dataclass

from q2pt_tasks.report.changes import CHAMPION, whole
from q2pt_tasks.report.evidence import Slices
from q2pt_tasks.report.marks import direction
from q2pt_tasks.report.tables import Scores


@dataclass(frozen=True)
class Tile:
    """A figure of the candidate, with its interval, its change against the champion and a word about it."""

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    change: float | None = None
    word: str = ""


def tiles(slices: Slices, scores: Scores, candidate: str) -> list[Tile]:
    """Recall on test and on the newest days, the precision reached, the gap between stores, human judgements."""
    found = [
        _recall(slices, candidate, "test", "Recall on test"),
        _recall(slices, candidate, "forward", "Recall on the newest days, by traffic"),
        _plain(scores, candidate, "micro_precision", "test", "Precision reached on test"),
        _gap(slices, candidate),
        _plain(scores, candidate, "micro_recall", "judgements", "Recall on human judgements"),
    ]
    return [tile for tile in found if tile is not None]


def _recall(slices: Slices, candidate: str, split: str, name: str) -> Tile | None:
    row = whole(slices, candidate, split)
    if row is None:
        return None
    word = direction(row.change, row.change_low, row.change_high)
    return Tile(name, row.recall, row.low, row.high, row.change, word)


def _plain(scores: Scores, candidate: str, metric: str, split: str, name: str) -> Tile | None:
    found, champion = scores.figure(candidate, metric, split=split), scores.value(CHAMPION, metric, split=split)
    if found.value is None:
        return None
    return Tile(name, found.value, found.low, found.high, None if champion is None else found.value - champion)


def _gap(slices: Slices, candidate: str) -> Tile | None:
    parity = slices.parity.get(candidate)
    if parity is None:
        return None
    # A smaller gap is the better one.
    turned = (None if end is None else -end for end in (parity.change, parity.change_high, parity.change_low))
    return Tile(
        f"Gap between stores, {parity.best} to {parity.worst}",
        parity.gap,
        parity.low,
        parity.high,
        parity.change,
        direction(*turned),
    )
