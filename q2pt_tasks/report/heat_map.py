"""Locales x slices: where a variant finds little, at a glance. Shades only repeat the numbers in the cells."""

from collections.abc import Sequence
from dataclasses import dataclass

from q2pt_tasks.report.evidence import Slices

SHADES = 8
# Positives below which a figure is marked: one query more or less would move it by points.
FEW = 30
# Known of a locale as a whole.
_OF_LOCALES = ("store",)


@dataclass(frozen=True)
class Column:
    """A slice, and whether it is the first of its dimension."""

    dimension: str
    slice: str
    is_first: bool


@dataclass(frozen=True)
class HeatCell:
    """Recall with its shade, 0 for the lowest, and whether few positives are behind it."""

    recall: float | None
    shade: int
    few: bool


@dataclass(frozen=True)
class HeatRow:
    """A locale: its recall over all and one cell per column, None where it has no such query."""

    locale: str
    cells: tuple[HeatCell | None, ...]


@dataclass(frozen=True)
class HeatMap:
    """The columns, and a row per locale."""

    columns: tuple[Column, ...]
    rows: tuple[HeatRow, ...]


def heat_map(slices: Slices, variant: str, locales: Sequence[str]) -> HeatMap:
    """Recall of `variant` on test by locale and slice, as shades from the lowest to the highest cell."""
    cells = {(c.locale, c.dimension, c.slice): c for c in slices.cells if c.variant == variant}
    names = list(dict.fromkeys(key[1:] for key in cells if key[1] not in _OF_LOCALES))
    columns = [
        Column(dimension, name, index == 0 or names[index - 1][0] != dimension)
        for index, (dimension, name) in enumerate(names)
    ]
    shown = [cell.recall for key, cell in cells.items() if key[1:] in names and cell.recall is not None]
    low, high = min(shown, default=0.0), max(shown, default=1.0)

    def cell_of(locale: str, name: tuple[str, str]) -> HeatCell | None:
        cell = cells.get((locale, *name))
        if cell is None or cell.recall is None:
            return None
        return HeatCell(cell.recall, _shade(cell.recall, low, high), cell.positives < FEW)

    rows = [HeatRow(locale, tuple(cell_of(locale, name) for name in names)) for locale in locales]
    return HeatMap(tuple(columns), tuple(rows))


def _shade(recall: float, low: float, high: float) -> int:
    return min(SHADES - 1, int((recall - low) / (high - low) * SHADES)) if high > low else SHADES - 1
