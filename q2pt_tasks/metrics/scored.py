"""What a model said about a split, next to what was true: the input of every metric."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Scores = NDArray[np.float32]
Bools = NDArray[np.bool_]
Indices = NDArray[np.intp]

# Pairs that one step of a computation copies: large enough that the steps cost nothing, small beside a score matrix.
PAIRS_PER_STEP = 1 << 22


class ScoredError(ValueError):
    """Scores, targets, locales and weights do not describe the same queries and product types."""


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores and truth of n queries and T product types.

    Attributes:
        types: the T product types, in the order of the columns.
        locales: the locales; `locale` points into them.
        locale: (n,) the index of each query's locale.
        scores: (n, T) float32, higher is likelier; -inf where the model does not know the type: never predicted.
        targets: (n, T) bool, true where the query means the type.
        weights: (n,) float64, the traffic of each query; 1 for validation and test.
    """

    types: tuple[str, ...]
    locales: tuple[str, ...]
    locale: Indices
    scores: Scores
    targets: Bools
    weights: Floats

    def __post_init__(self) -> None:
        self._check_names()
        self._check_shapes()
        self._check_values()

    def __len__(self) -> int:
        return len(self.scores)

    def of_locale(self, name: str) -> "Scored":
        """The queries of one locale."""
        if name not in self.locales:
            raise ScoredError(f"no locale {name!r} among the scored ones; there are {', '.join(self.locales)}")
        return self.where(self.locale == self.locales.index(name))

    def where(self, mask: Bools) -> "Scored":
        """The queries where `mask`, (n,) bool, is true. Types and locales stay as they are."""
        if mask.shape != (len(self),) or mask.dtype != np.bool_:
            raise ScoredError(f"a mask is ({len(self)},) bool, found {mask.shape} {mask.dtype}")
        return Scored(
            self.types,
            self.locales,
            self.locale[mask],
            self.scores[mask],
            self.targets[mask],
            self.weights[mask],
        )

    def columns(self, types: Indices) -> Iterator[tuple[Scores, Bools]]:
        """Scores and targets, (n,) each, of the types at the indices `types`, one after the other."""
        step = max(1, PAIRS_PER_STEP // max(1, len(self)))
        for start in range(0, len(types), step):
            # Some columns at once, because reading a row-major matrix column by column misses the cache every time.
            some = types[start : start + step]
            scores = np.ascontiguousarray(self.scores[:, some].T)
            targets = np.ascontiguousarray(self.targets[:, some].T)
            yield from zip(scores, targets, strict=True)

    def _check_names(self) -> None:
        for kind, names in (("type", self.types), ("locale", self.locales)):
            if len(set(names)) != len(names):
                twice = sorted({name for name in names if names.count(name) > 1})
                raise ScoredError(f"every {kind} is named once, found more than once: {', '.join(twice)}")

    def _check_shapes(self) -> None:
        n, width = len(self.locale), len(self.types)
        expected: dict[str, tuple[NDArray[Any], tuple[int, ...], str]] = {
            "locale": (self.locale, (n,), "iu"),
            "scores": (self.scores, (n, width), "f"),
            "targets": (self.targets, (n, width), "b"),
            "weights": (self.weights, (n,), "f"),
        }
        for name, (array, shape, kind) in expected.items():
            if array.shape != shape or array.dtype.kind not in kind:
                raise ScoredError(
                    f"{name} is {array.shape} {array.dtype}, expected {shape} for {n} queries and {width} types"
                )
        if self.scores.dtype != np.float32:
            raise ScoredError(f"scores are {self.scores.dtype}, expected float32: thresholds are float32 scores")

    def _check_values(self) -> None:
        if not len(self):
            return
        if self.locale.min() < 0 or self.locale.max() >= len(self.locales):
            raise ScoredError(f"locale points outside the {len(self.locales)} locales")
        if not np.isfinite(self.weights).all() or self.weights.min() < 0:
            raise ScoredError("weights must be finite and not negative")
        # The highest score is NaN where any score is, and finding it copies nothing.
        if self.types and not self.scores.max() < np.inf:
            raise ScoredError("a score is NaN or +inf: the model's output is broken")


def concatenate(parts: Sequence[Scored]) -> Scored:
    """The queries of all `parts`, one part after the other; the locales in the order of their first appearance.

    Raises:
        ScoredError: there is no part, or the parts do not have the same types in the same order.
    """
    if not parts:
        raise ScoredError("nothing to concatenate")
    types = parts[0].types
    if any(part.types != types for part in parts):
        raise ScoredError("parts have different types or orders of types: score all on the same list of types first")
    locales = tuple(dict.fromkeys(locale for part in parts for locale in part.locales))
    position = {locale: index for index, locale in enumerate(locales)}
    moved = [np.array([position[name] for name in part.locales], dtype=np.intp)[part.locale] for part in parts]
    return Scored(
        types,
        locales,
        np.concatenate(moved),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.targets for part in parts]),
        np.concatenate([part.weights for part in parts]),
    )


def row_steps(shape: tuple[int, ...]) -> Iterator[slice]:
    """Slices of rows that cover a matrix of `shape` in steps of about `PAIRS_PER_STEP` pairs."""
    rows, width = shape
    step = max(1, PAIRS_PER_STEP // max(1, width))
    for start in range(0, rows, step):
        yield slice(start, start + step)


def places_of(mask: Bools) -> tuple[Indices, Indices]:
    """Row and column of each True in a matrix, row by row: where few are, faster than `np.nonzero`."""
    places = np.flatnonzero(mask)
    rows = places // mask.shape[1] if mask.shape[1] else places
    return rows, places - rows * mask.shape[1]
