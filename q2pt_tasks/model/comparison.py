"""What the gate asks of champion and challengers beside their figures: dates, label spaces, sizes, drift of data."""

import hashlib
import json
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
from q2pt_tasks.metrics.measurements import Measured
from q2pt_tasks.metrics.scored import Bools
from q2pt_tasks.model.champion import Champion, champion_locales, why_not_comparable
from q2pt_tasks.model.metadata import CENSUS, METADATA, load_metadata
from q2pt_tasks.model.score_stream import ScoreStream
from q2pt_tasks.model.scorers import CheckpointScorer
from q2pt_tasks.model.shipped import shipped_figures
from q2pt_tasks.model.truth import Truth

_CHANGES = ("added_types", "lost_types", "added_locales", "lost_locales")
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
    """

    folder_of: FolderOf
    measured: Mapping[str, Measured]
    expected_error: float | None
    parity: Mapping[str, Any] | None = None


@dataclass(frozen=True, eq=False)
class Ground:
    """What all are compared on: the queries, their resamples and how they are drawn."""

    layout: Layout
    truth: Truth
    samples: Mapping[str, Sample]
    plan: Resampling


def compare(ground: Ground, variants: Mapping[str, Rival], champion: Champion | None, rival: Rival | None) -> Any:  # noqa: ANN401 - JSON
    """What `metrics/comparison.json` says.

    Args:
        ground: what they are compared on.
        variants: the trained ones by their names.
        champion: the model in production.
        rival: the same, scored; None where nothing is in production or it cannot be compared.
    """
    window = json.loads(ground.layout.window.read_text(encoding="utf-8"))
    return {
        "last_day": window["last_day"],
        "champion": None if champion is None else _champion(ground, champion, rival),
        "variants": [_variant(ground, name, one, champion, rival) for name, one in variants.items()],
        "differences": [
            {"variant": name, "split": split, **asdict(figure)}
            for name, one in variants.items()
            if rival is not None
            for split, sample in ground.samples.items()
            for figure in shared_figures(
                one.measured[split], rival.measured[split], _both_know(ground.truth, one, rival), sample, ground.plan
            )
        ],
        "drift": [] if rival is None else list(_drift(ground, rival)),
    }


def _both_know(truth: Truth, one: Rival, other: Rival) -> Bools:
    return LabelSpaces.of(truth, one.folder_of).cells & LabelSpaces.of(truth, other.folder_of).cells


def _champion(ground: Ground, champion: Champion, rival: Rival | None) -> dict[str, Any]:
    split = json.loads(ground.layout.label_space(None).read_text(encoding="utf-8"))["split"]
    shipped = None
    if rival is not None:
        scorer = CheckpointScorer(rival.folder_of, ground.truth.types)
        with ScoreStream(ground.truth, "test", scorer) as test:
            shipped = asdict(shipped_figures(test, rival.folder_of))
    return {
        "last_day": champion.last_day,
        "incomparable": why_not_comparable(ground.layout.root, champion, split),
        "expected_error": None if rival is None else rival.expected_error,
        "shipped": shipped,
    }


def _variant(ground: Ground, name: str, one: Rival, champion: Champion | None, rival: Rival | None) -> dict[str, Any]:
    locales = ground.truth.locales
    folders = {folder for locale in locales if (folder := one.folder_of(locale)) is not None}
    facts = {
        "variant": name,
        "bytes": sum(file.stat().st_size for folder in folders for file in folder.rglob("*") if file.is_file()),
        "expected_error": one.expected_error,
        "parity": one.parity,
    }
    if champion is None or rival is None:
        return {**facts, "identical": False, **{change: [] for change in _CHANGES}}
    served = champion_locales(ground.layout.root, champion)
    own, theirs = (LabelSpaces.of(ground.truth, folder_of) for folder_of in (one.folder_of, rival.folder_of))
    support = np.sum([measured.counts.support for measured in one.measured.values()], axis=0)
    return {
        **facts,
        "identical": _prints(one.folder_of, locales) == _prints(rival.folder_of, locales),
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
    tonight = json.loads(ground.layout.census(None).read_text(encoding="utf-8"))
    for locale in ground.truth.locales:
        folder = rival.folder_of(locale)
        if folder is None or not (folder / CENSUS).is_file():
            continue
        before = json.loads((folder / CENSUS).read_text(encoding="utf-8")).get(locale)
        if before is not None:
            yield {"locale": locale, **_distances(tonight[locale], before)}


def _distances(census: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, float | None]:
    names = sorted({*census["labels"], *other["labels"]})
    labels = [[one["labels"].get(name, 0) for name in names] for one in (census, other)]
    return {"labels": drift(*labels), "words": drift(census["words"], other["words"])}
