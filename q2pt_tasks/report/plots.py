"""The report's plots as SVG text: equal figures give equal bytes, and no colour carries a meaning alone."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

from q2pt_tasks.report.evidence import Calibration
from q2pt_tasks.report.svg import without_styles
from q2pt_tasks.report.tables import VARIANTS, Scores, StoreRecall, in_order

WIDTH = 9.0  # inches
LOCALES_PER_PANEL = 10  # with seven variants a bar is then 2 mm wide: a hatch can still be told
# After Okabe and Ito's colours, told apart by colour-blind readers, but dark enough for a contrast of 3 to 1 on white;
# black last, it is the heaviest.
COLOURS = ("#0072B2", "#B36B00", "#00795A", "#767676", "#B05488", "#2A8BC0", "#C24E00", "#000000")
# Dots and rings would weigh more than the rest of the page.
HATCHES = ("", "///", "|||", "", "\\\\\\", "xxx", "---", "")
MARKERS = ("o", "s", "^", "x", "D", "v", "P", "*")
LINES = ("-", "--", "-.", ":", "-", "--", "-.", ":")
RULES: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a `$` in a name is a dollar sign
    "font.size": 9.0,
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "hatch.linewidth": 0.6,
    "legend.frameon": False,
}


@dataclass(frozen=True)
class CurvePoint:
    """One point of a variant's precision-recall curve on test, all locales together."""

    variant: str
    recall: float
    precision: float


@mpl.rc_context(RULES)
def recall_bars(scores: Scores, variants: Sequence[str], locales: Sequence[str], precision: float) -> Markup:
    """Micro recall on test: a group of bars per locale, a bar per variant; a dash where recall is not defined."""
    panels = [locales[start : start + LOCALES_PER_PANEL] for start in range(0, len(locales), LOCALES_PER_PANEL)]
    figure, all_axes = empty_figure(max(1, len(panels)), height=2.5)
    for axes, panel in zip(all_axes, panels, strict=False):
        for place, variant in enumerate(variants):
            _bars(axes, [scores.value(variant, "micro_recall", locale) for locale in panel], variant, place, variants)
        axes.set_xticks(range(len(panel)), panel)
        # The last panel may have fewer locales: its bars keep the width of the others.
        axes.set(xlim=(-0.6, max(map(len, panels)) - 0.4), ylim=(0, 1), ylabel="micro recall")
        axes.grid(visible=False, axis="x")
    return as_svg(figure, all_axes[0], f"Micro recall at precision {precision:g} by locale and variant")


@mpl.rc_context(RULES)
def recall_by_training_rows(stores: Iterable[StoreRecall], precision: float) -> Markup:
    """Micro recall on test against the locale's training rows, one marker per locale and variant.

    A locale without training rows has no place on the logarithmic axis and is left out.
    """
    shown = [store for store in stores if store.training_rows > 0 and store.micro_recall is not None]
    figure, (axes,) = empty_figure(1, height=4.0)
    for variant in in_order(store.variant for store in shown):
        points = sorted((s.training_rows, s.micro_recall or 0.0) for s in shown if s.variant == variant)
        axes.plot(*zip(*points, strict=True), linewidth=0.6, markersize=5, **_line(variant))
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda rows, _: f"{rows:,.0f}"))
    axes.xaxis.set_minor_locator(LogLocator(subs=()))
    axes.set(ylim=(-0.02, 1.02), xlabel="training rows of the locale (logarithmic)", ylabel="micro recall")
    return as_svg(figure, axes, f"Micro recall at precision {precision:g} against the locale's training rows")


@mpl.rc_context(RULES)
def precision_recall_curves(points: Iterable[CurvePoint], precision: float) -> Markup:
    """Precision against recall on test, all locales together, with the precision that the figures are read at."""
    points = tuple(points)
    figure, (axes,) = empty_figure(1, height=4.0)
    axes.axhline(precision, color="black", linewidth=1.2, linestyle=(0, (1, 2)), label=f"precision {precision:g}")
    for variant in in_order(point.variant for point in points):
        curve = sorted(((p.recall, p.precision) for p in points if p.variant == variant), key=lambda p: (p[0], -p[1]))
        axes.plot(*zip(*curve, strict=True), linewidth=1.3, markersize=5, markevery=0.12, **_line(variant))
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
    return as_svg(figure, axes, "Precision-recall curves on test, all locales")


@mpl.rc_context(RULES)
def reliability_curves(found: Iterable[Calibration]) -> Markup:
    """The share of best types that is right against their mean score, and the line where both are equal."""
    figure, (axes,) = empty_figure(1, height=4.0)
    axes.plot((0, 1), (0, 1), color="black", linewidth=1.2, linestyle=(0, (1, 2)), label="as sure as right")
    for one in found:
        points = [(bin_.score, bin_.right) for bin_ in one.best.bins if bin_.score is not None]
        scores, shares = zip(*points, strict=True) if points else ((), ())
        axes.plot(scores, shares, linewidth=1.3, markersize=5, **_line(one.variant))
    axes.set(xlim=(0, 1.01), ylim=(0, 1.02), xlabel="mean score of the best type", ylabel="share that is right")
    return as_svg(figure, axes, "Reliability of the best type's score on test")


def empty_figure(panels: int, height: float) -> tuple[Figure, list[Axes]]:
    """A figure of `panels` rows, each `height` inches high, without the global state of pyplot."""
    figure = Figure(figsize=(WIDTH, height * panels + 0.6), layout="constrained")
    return figure, list(figure.subplots(panels, 1, squeeze=False)[:, 0])


def _bars(axes: Axes, values: Sequence[float | None], variant: str, place: int, variants: Sequence[str]) -> None:
    width = 0.86 / len(variants)
    centres = [group + (place - (len(variants) - 1) / 2) * width for group in range(len(values))]
    style = _style(variant)
    axes.bar(
        centres,
        [value or 0.0 for value in values],
        width,
        label=variant,
        color=COLOURS[style],
        hatch=HATCHES[style],
        edgecolor="white" if COLOURS[style] == "#000000" else "black",
        linewidth=0.4,
    )
    for centre, value in zip(centres, values, strict=True):
        if value is None:
            axes.text(centre, 0.01, "\N{EN DASH}", ha="center", va="bottom", fontsize=6)


def _style(variant: str) -> int:
    """A variant looks the same in every plot of every run; all that are not named in the order share one look."""
    return VARIANTS.index(variant) if variant in VARIANTS else len(VARIANTS)


def _line(variant: str) -> dict[str, Any]:
    style = _style(variant)
    return {"label": variant, "color": COLOURS[style], "marker": MARKERS[style], "linestyle": LINES[style]}


def as_svg(figure: Figure, axes: Axes, title: str) -> Markup:
    """`figure` as an SVG element for use inside HTML, with the legend of `axes` above the plots."""
    # The salt differs by plot, since the ids of all plots share one page.
    with mpl.rc_context({"svg.hashsalt": title}):
        handles, labels = axes.get_legend_handles_labels()
        if handles:
            figure.legend(handles, labels, loc="outside upper center", ncols=4)
        text = StringIO()
        figure.savefig(text, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    element = text.getvalue()
    element = without_styles(element[element.index("<svg") :])
    # Matplotlib numbers its groups from 1 in every figure; nothing refers to them, and a page must have an id once.
    element = re.sub(r' id="[a-z]+[a-z0-9.]*_[0-9]+"', "", element)
    named = element.replace("<svg ", Markup('<svg role="img" aria-label="{}" ').format(title), 1)
    return Markup(named)  # noqa: S704 - matplotlib has escaped every text that it drew
