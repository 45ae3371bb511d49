"""A release: what is promoted and rolled back. It names, for every store, the checkpoint that serves it, by its hash.

On disk a checkpoint lies at `place(checkpoint)` below a folder that all releases share, beside the encoder that it
needs, so that what two releases have in common is there once.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

RELEASE_FILE = "release.json"
# Where a checkpoint that holds only what changed looks for its encoder, in a folder above itself.
ENCODER_PLACE = "data/encoder"
_WHOLE = "whole"
_DIRECTORY = ".dir"


# It names a folder, so nothing else may pass.
Directory = Annotated[str, Field(pattern=r"^[0-9a-f]{32}\.dir$")]


class ReleaseError(ValueError):
    """A release is not one, or contradicts itself."""


@dataclass(frozen=True)
class Store:
    """Where DVC's objects lie: the directory or the URL of a DVC remote; the S3 service's URL where not Amazon's."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    url: str
    endpoint: str | None = None


@dataclass(frozen=True, kw_only=True)
class ReleasedCheckpoint:
    """A checkpoint and the stores that it serves.

    Attributes:
        variant: the kind of model.
        since: the release that brought it.
        model: DVC's hash of its directory.
        encoder: DVC's hash of the directory of the encoder beside it; None for a model of all locales, which is whole.
        hash: over the names and contents of its files, without the encoder's.
        locales: the stores that it serves.
        others: whether it serves the stores that the release does not name as well.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    variant: str
    since: str
    model: Directory
    encoder: Directory | None
    hash: str
    locales: tuple[str, ...]
    others: bool


@dataclass(frozen=True)
class GoldenAnswer:
    """A score that the release must give wherever it is loaded: of `product_type` for `query` in the store `locale`."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    locale: str
    query: str
    product_type: str
    score: float


@dataclass(frozen=True, kw_only=True)
class Release:
    """What is served.

    Attributes:
        version: such as `v3`; a number is not used twice.
        created: the moment of its making, ISO 8601 in UTC.
        run: the run that made its candidate.
        commit: that run's commit, with its `dvc.lock`.
        by: the person or the run that promotes it.
        why: the gate's sentence.
        variant: the candidate's kind of model.
        last_day: the last day of the window that it learned from, in ISO form.
        judged_against: the version that the candidate was compared with; None where nothing was in production.
        figures: the candidate's headline figures on test.
        checkpoints: each with the stores that it serves; no store is served by two.
        store: where DVC has their files.
        golden: what they answer.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    version: str
    created: str
    run: str
    commit: str
    by: str
    why: str
    variant: str
    last_day: str
    judged_against: str | None
    figures: Mapping[str, float | None]
    checkpoints: tuple[ReleasedCheckpoint, ...]
    store: Store
    golden: tuple[GoldenAnswer, ...] = field(default=())

    def __post_init__(self) -> None:
        served = [locale for one in self.checkpoints for locale in one.locales]
        if not self.checkpoints or len(set(served)) != len(served) or sum(one.others for one in self.checkpoints) > 1:
            raise ReleaseError(
                f"release {self.version} must name one checkpoint per store, found {', '.join(served) or 'none'}"
            )

    @property
    def locales(self) -> tuple[str, ...]:
        """The stores that it names, sorted."""
        return tuple(sorted(locale for one in self.checkpoints for locale in one.locales))

    @property
    def hash(self) -> str:
        """Over what it serves: two releases of one hash answer alike."""
        return _hash_of(self.checkpoints)

    def checkpoint_of(self, locale: str) -> ReleasedCheckpoint | None:
        """What serves a store; None where nothing does."""
        own = next((one for one in self.checkpoints if locale in one.locales), None)
        return own or next((one for one in self.checkpoints if one.others), None)

    def to_text(self) -> str:
        document = {**_RELEASE.dump_python(self, mode="json"), "hash": self.hash}
        return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


_RELEASE = TypeAdapter(Release)


def parse_release(text: str) -> Release:
    """The release of a `release.json`.

    Raises:
        ReleaseError: it is something else, or its hash is not that of what it names.
    """
    try:
        document = json.loads(text)
        claimed = document.pop("hash", None) if isinstance(document, dict) else None
        release = _RELEASE.validate_json(json.dumps(document))
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, found['loc']))}: {found['msg']}" for found in error.errors())
        raise ReleaseError(f"{RELEASE_FILE} names no release ({problems})") from None
    except json.JSONDecodeError as error:
        raise ReleaseError(f"{RELEASE_FILE} is not readable JSON: {error}") from None
    if claimed != release.hash:
        raise ReleaseError(
            f"{RELEASE_FILE} of {release.version} says that its hash is {claimed}, but what it names has "
            f"{release.hash}: it was changed by hand; promote a run instead"
        )
    return release


def is_release(document: Mapping[str, Any]) -> bool:
    """Whether a JSON document is meant as a release, and not as a champion that a person put there."""
    return "checkpoints" in document


def place(checkpoint: ReleasedCheckpoint) -> str:
    """Where its files lie, below the folder that releases share."""
    return f"{_beside(checkpoint.encoder)}/{checkpoint.model.removesuffix(_DIRECTORY)}"


def encoder_place(encoder: str) -> str:
    """Where the encoder's files lie that the checkpoints beside it need."""
    return f"{_beside(encoder)}/{ENCODER_PLACE}"


def directories(release: Release) -> dict[str, str]:
    """DVC's hash of every directory that the release needs, by its place."""
    encoders = {encoder_place(one.encoder): one.encoder for one in release.checkpoints if one.encoder}
    return encoders | {place(one): one.model for one in release.checkpoints}


def route(
    new: Sequence[ReleasedCheckpoint], before: Iterable[ReleasedCheckpoint], kept: Collection[str]
) -> tuple[ReleasedCheckpoint, ...]:
    """The checkpoints of a release in which the stores `kept` stay on those of the release before.

    Raises:
        ReleaseError: a store that is to stay has no checkpoint there.
    """
    stay = [_only(one, [locale for locale in one.locales if locale in kept]) for one in before]
    if missing := set(kept) - {locale for one in stay for locale in one.locales}:
        raise ReleaseError(f"{', '.join(sorted(missing))} cannot stay on a checkpoint: the champion serves none there")
    ours = [replace(one, locales=tuple(locale for locale in one.locales if locale not in kept)) for one in new]
    return tuple(one for one in [*ours, *stay] if one.locales or one.others)


def without(checkpoints: Iterable[ReleasedCheckpoint], locale: str) -> tuple[ReleasedCheckpoint, ...]:
    """The checkpoints of a release that does not name a store any more; those that served it alone go."""
    left = (replace(one, locales=tuple(name for name in one.locales if name != locale)) for one in checkpoints)
    return tuple(one for one in left if one.locales or one.others)


def _only(checkpoint: ReleasedCheckpoint, locales: Iterable[str]) -> ReleasedCheckpoint:
    return replace(checkpoint, locales=tuple(locales), others=False)


def _beside(encoder: str | None) -> str:
    return encoder.removesuffix(_DIRECTORY) if encoder else _WHOLE


def _hash_of(checkpoints: Iterable[ReleasedCheckpoint]) -> str:
    served = sorted([one.model, one.encoder or "", one.hash, sorted(one.locales), one.others] for one in checkpoints)
    return hashlib.sha256(json.dumps(served).encode()).hexdigest()
