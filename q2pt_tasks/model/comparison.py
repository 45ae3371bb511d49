"""What the gate asks of champion and challengers beside their figures: dates, label spaces, sizes, drift of data."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from q2pt_tasks.layout import Layout
from q2pt_tasks.metrics.common_ground import shared_figures
from q2pt_tasks.metrics.drift import drift
from q2pt_tasks.metrics.intervals import Resampling, Sample
from q2pt_tasks.metrics.judged import JudgedFigure
from q2pt_tasks.metrics.measurements import ALL_LOCALES, Measured
from q2pt_tasks.metrics.scored import Bools
from q2pt_tasks.model.champion import Champion, champion_locales
from q2pt_tasks.model.latency import median_milliseconds
from q2pt_tasks.model.metadata import CENSUS, METADATA, load_metadata
from q2pt_tasks.model.score_stream import ScoreStream
from q2pt_tasks.model.scorers import CheckpointScorer
from q2pt_tasks.model.shipped import shipped_figures
from q2pt_tasks.model.truth import Truth

# The checkpoint that serves a locale; None where there is none.
FolderOf = Callable[[str], Path | None]


@dataclass(frozen=True, eq=False)
class Rival:
    """One of the compared models: a trained variant or the champion.

    Attributes:
        folder_of: its checkpoints.
        measured: test and the forward set.
        expected_error: of its scores as probabilities.
        parity: its gap between stores, as `metrics/slices.json` has it.
        judged: its figures on human judgements.
    """

    folder_of: FolderOf
    measured: Mapping[str, Measured]
    expected_error: float | None
    parity: Mapping[str, Any] | None = None
    judged: Sequence[JudgedFigure] = ()


@dataclass(frozen=True, eq=False)
class Ground:
    """What all are compared on: the queries, their resamples and how they are drawn.

    `timed` are queries with their locales that each variant is timed with; none: no variant is.
    """

    layout: Layout
    truth: Truth
    samples: Mapping[str, Sample]
    plan: Resampling
    timed: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, eq=False)
class Incumbent:
    """The model in production.

    Attributes:
        champion: as it was resolved.
        obstacles: why it is not scored; empty where it is.
        rival: the same, scored; None where there are obstacles.
    """

    champion: Champion
    obstacles: Sequence[str]
    rival: Rival | None


def compare(ground: Ground, variants: Mapping[str, Rival], incumbent: Incumbent | None) -> dict[str, Any]:
    """What `metrics/comparison.json` says of the trained `variants` and, where there is one, of the champion."""
    window = json.loads(ground.layout.window.read_text(encoding="utf-8"))
    rival = None if incumbent is None else incumbent.rival
    return {
        "last_day": window["last_day"],
        "champion": None if incumbent is None else _champion(ground, incumbent),
        "variants": [
            {**_facts(ground, name, one), **_changes(ground, one, incumbent)} for name, one in variants.items()
        ],
        "differences": [] if rival is None else list(_differences(ground, variants, rival)),
        "drift": [] if rival is None else list(_drift(ground, rival)),
    }


def _champion(ground: Ground, incumbent: Incumbent) -> dict[str, Any]:
    rival = incumbent.rival
    return {
        "last_day": incumbent.champion.last_day,
        "incomparable": list(incumbent.obstacles),
        "expected_error": None if rival is None else rival.expected_error,
        "shipped": None if rival is None else _shipped(ground, rival),
        "gone": None if rival is None else _gone(ground, rival),
    }


def _shipped(ground: Ground, rival: Rival) -> dict[str, Any]:
    with ScoreStream(ground.truth, "test", CheckpointScorer(rival.folder_of, ground.truth.types)) as test:
        return asdict(shipped_figures(test, rival.folder_of))


def _differences(ground: Ground, variants: Mapping[str, Rival], rival: Rival) -> Iterator[dict[str, Any]]:
    theirs = LabelSpaces.of(ground.truth, rival.folder_of)
    for name, one in variants.items():
        known = LabelSpaces.of(ground.truth, one.folder_of).cells & theirs.cells
        for split, sample in ground.samples.items():
            figures = shared_figures(one.measured[split], rival.measured[split], known, sample, ground.plan)
            yield from ({"variant": name, "split": split, **asdict(figure)} for figure in figures)


def _facts(ground: Ground, name: str, one: Rival) -> dict[str, Any]:
    locales = next(iter(one.measured.values())).observed.answers.locales
    folders = {folder for locale in locales if (folder := one.folder_of(locale)) is not None}
    return {
        "variant": name,
        "bytes": sum(file.stat().st_size for folder in folders for file in folder.rglob("*") if file.is_file()),
        "milliseconds": median_milliseconds(one.folder_of, ground.timed),
        "expected_error": one.expected_error,
        "parity": one.parity,
        "judged": [_judged(figure) for figure in one.judged if figure.locale == ALL_LOCALES],
    }


def _judged(figure: JudgedFigure) -> dict[str, Any]:
    return {
        "metric": figure.metric,
        "value": figure.value,
        "low": figure.interval.low,
        "high": figure.interval.high,
        "queries": figure.queries,
    }


def _changes(ground: Ground, one: Rival, incumbent: Incumbent | None) -> dict[str, Any]:
    """What a variant knows and the champion does not, and the other way round; nothing where they are not compared."""
    if incumbent is None or incumbent.rival is None:
        return {"identical": False, "added_types": [], "lost_types": [], "added_locales": [], "lost_locales": []}
    locales, theirs_of = ground.truth.locales, incumbent.rival.folder_of
    served = champion_locales(ground.layout.root, incumbent.champion)
    own, theirs = (LabelSpaces.of(ground.truth, folder_of) for folder_of in (one.folder_of, theirs_of))
    support = np.sum([measured.counts.support for measured in one.measured.values()], axis=0)
    return {
        "identical": _prints(one.folder_of, locales) == _prints(theirs_of, locales),
        "added_types": own.beyond(theirs, support),
        "lost_types": theirs.beyond(own, support),
        "added_locales": [locale for locale in locales if locale not in served],
        "lost_locales": [locale for locale in served if locale not in locales],
    }


@dataclass(frozen=True, eq=False)
class LabelSpaces:
    """Which product types a model knows in each locale.

    Attributes:
        types: the T product types that occur in any split.
        cells: (L, T) which of them it knows where.
        names: those that it knows anywhere, with those that occur in no split.
    """

    types: tuple[str, ...]
    cells: Bools
    names: frozenset[str]

    @classmethod
    def of(cls, truth: Truth, folder_of: FolderOf) -> "LabelSpaces":
        known = [_product_types(folder_of(locale)) for locale in truth.locales]
        cells = np.array([[name in own for name in truth.types] for own in known], dtype=np.bool_)
        return cls(truth.types, cells.reshape(len(known), len(truth.types)), frozenset().union(*known))

    def beyond(self, other: "LabelSpaces", support: NDArray[np.int64]) -> list[dict[str, Any]]:
        """What the other one does not know: types by name, with their positives where it does not know them.

        `support`, (L, T), counts positives. A type without any is listed where the other one knows it nowhere.
        """
        positives = np.where(self.cells & ~other.cells, support, 0).sum(axis=0)
        found = {name: int(n) for name, n in zip(self.types, positives, strict=True) if n}
        found |= {name: 0 for name in self.names - other.names if name not in found}
        return [{"product_type": name, "positives": found[name]} for name in sorted(found)]


def _product_types(folder: Path | None) -> frozenset[str]:
    if folder is None:
        return frozenset()
    metadata = load_metadata(folder)
    return frozenset() if metadata.status == "untrained" else frozenset(metadata.product_types)


def _prints(folder_of: FolderOf, locales: Sequence[str]) -> list[str | None]:
    """Names what answers each locale's queries: weights, tokenizer, thresholds; not when or how long it was trained."""
    found: dict[Path | None, str | None] = {None: None}
    for locale in locales:
        folder = folder_of(locale)
        if folder is not None and folder not in found:
            found[folder] = _print(folder)
    return [found[folder_of(locale)] for locale in locales]


def _print(folder: Path) -> str:
    metadata = load_metadata(folder)
    base = metadata.base.md5 if metadata.base else None
    total = hashlib.md5(json.dumps([metadata.thresholds, metadata.unsold, base]).encode(), usedforsecurity=False)
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.name not in (METADATA, CENSUS):
            with file.open("rb") as stream:
                own = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
            total.update(f"{file.relative_to(folder).as_posix()}\0{own}\n".encode())
    return total.hexdigest()


def _drift(ground: Ground, rival: Rival) -> Iterator[dict[str, Any]]:
    """Per locale that the champion has a census of: how far its training queries are from tonight's."""
    tonight = _census(ground)
    for locale, before in _censuses(ground, rival):
        yield {"locale": locale, **_distances(tonight[locale], before)}


def _gone(ground: Ground, rival: Rival) -> dict[str, Any] | None:
    """The product types of the champion's training queries that no training query of tonight means."""
    before: Counter[str] = Counter()
    for _, census in _censuses(ground, rival):
        before.update(census["labels"])
    tonight = {name for census in _census(ground).values() for name in census["labels"]}
    types = [{"product_type": name, "positives": n} for name, n in sorted(before.items()) if name not in tonight]
    return {"types": types, "labels": before.total()} if before else None


def _census(ground: Ground) -> dict[str, Any]:
    census: dict[str, Any] = json.loads(ground.layout.census(None).read_text(encoding="utf-8"))
    return census


def _censuses(ground: Ground, rival: Rival) -> Iterator[tuple[str, dict[str, Any]]]:
    """The champion's, of each locale that has one."""
    for locale in ground.truth.locales:
        folder = rival.folder_of(locale)
        if folder is None or not (folder / CENSUS).is_file():
            continue
        before = json.loads((folder / CENSUS).read_text(encoding="utf-8")).get(locale)
        if before is not None:
            yield locale, before


def _distances(census: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, float | None]:
    names = sorted({*census["labels"], *other["labels"]})
    labels = [[one["labels"].get(name, 0) for name in names] for one in (census, other)]
    return {"labels": drift(*labels), "words": drift(census["words"], other["words"])}
