"""A release out of directories: one checkpoint, a folder of per-locale ones, or all that a run made."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from q2pt_tasks.layout import Layout
from q2pt_tasks.model.metadata import METADATA, CheckpointError, Metadata, load_metadata
from q2pt_tasks.model.variants import NON_UNIFIED, UNIFIED_AGNOSTIC, UNIFIED_AWARE
from q2pt_tasks.serving.http.releases import Release, Routes


@dataclass(frozen=True)
class DirectoryReleases:
    """The release that a directory holds at the moment.

    Attributes:
        place: a checkpoint such as `models/unified_aware`, a folder of per-locale ones such as `models/non_unified`, or
            the `models` of a run. There the variant that the run's gate chose serves, `unified_aware` where there was
            no gate. It may be a link, which can be turned to another directory in one step.
    """

    place: Path

    def current(self) -> Release:
        """The release as it stands there now.

        Raises:
            CheckpointError: there is no checkpoint, or one that cannot be read.
        """
        place = self.place.resolve()
        models = dict(_models(place))
        if not models:
            raise CheckpointError(
                f"{self.place} holds no trained checkpoint: give one such as models/unified_aware, or a folder of them"
            )
        first = _chosen(place, models)
        ordered = {name: models[name] for name in dict.fromkeys([first, *models])}
        return Release(_version(place, ordered), ordered)


def _models(place: Path) -> Iterator[tuple[str, Routes]]:
    if (place / METADATA).is_file():
        metadata = load_metadata(place)
        if metadata.status == "untrained":
            raise CheckpointError(f"{place} holds no weights: {metadata.reason}")
        yield metadata.variant, _routes(place, metadata)
        return
    for variant in (UNIFIED_AWARE, UNIFIED_AGNOSTIC):
        if (place / variant / METADATA).is_file():
            yield variant, _routes(place / variant, load_metadata(place / variant))
    folder = place / NON_UNIFIED if (place / NON_UNIFIED).is_dir() else place
    if by_locale := dict(_per_locale(folder)):
        yield NON_UNIFIED, Routes(by_locale)


def _routes(folder: Path, metadata: Metadata) -> Routes:
    by_locale = dict.fromkeys(metadata.locales, folder)
    return Routes(by_locale, None if metadata.variant == NON_UNIFIED else folder)


def _per_locale(folder: Path) -> Iterator[tuple[str, Path]]:
    """The checkpoint of each locale that had enough data for one."""
    for file in sorted(folder.glob(f"*/{METADATA}")):
        metadata = load_metadata(file.parent)
        if metadata.variant == NON_UNIFIED and metadata.status != "untrained":
            yield from ((locale, file.parent) for locale in metadata.locales)


def _chosen(place: Path, models: Mapping[str, Routes]) -> str:
    """The variant that the gate of the run chose, where this is a run's and has a gate's decision; else the first."""
    decision = Layout(place.parent).decision
    if place.name == Layout().models.name and decision.is_file():
        candidate = json.loads(decision.read_text(encoding="utf-8")).get("candidate")
        if candidate in models:
            return str(candidate)
    return next(iter(models))


def _version(place: Path, models: Mapping[str, Routes]) -> str:
    """A name that changes with what is served: metadata is written last and names the data, so weights need no look."""
    total = hashlib.md5(usedforsecurity=False)
    for name, routes in models.items():
        for folder in routes.checkpoints:
            metadata = hashlib.md5((folder / METADATA).read_bytes(), usedforsecurity=False).hexdigest()
            total.update(f"{name}\0{folder.relative_to(place).as_posix()}\0{metadata}\n".encode())
    return f"{place.name}-{total.hexdigest()[:8]}"
