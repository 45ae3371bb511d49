"""The studies' plots, in the report's style."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib as mpl

from q2pt_tasks.report.plots import COLOURS, HATCHES, LINES, MARKERS, RULES, as_svg, empty_figure

Values = Sequence[float | None]


@dataclass(frozen=True)
class Bars:
    """Groups of bars: a name per group, and per series a value for each group, None where there is none."""

    groups: Sequence[str]
    series: Mapping[str, Values]


@dataclass(frozen=True)
class Lines:
    """Values over evenly spaced places on the x-axis, which are named: per series a value for each, or None."""

    places: Sequence[str]
    series: Mapping[str, Values]


@mpl.rc_context(RULES)
def bar_chart(bars: Bars, title: str, label: str) -> str:
    """SVG of a group of bars per group, a bar per series; nothing where there is no value."""
    figure, (axes,) = empty_figure(1, height=3.0)
    width = 0.8 / max(len(bars.series), 1)
    for place, (name, values) in enumerate(bars.series.items()):
        centres = [group + (place - (len(bars.series) - 1) / 2) * width for group in range(len(bars.groups))]
        heights = [value or 0.0 for value in values]
        axes.bar(
            centres,
            heights,
            width,
            label=name,
            color=COLOURS[place],
            hatch=HATCHES[place],
            edgecolor="black",
            linewidth=0.4,
        )
    axes.set_xticks(range(len(bars.groups)), list(bars.groups))
    axes.set(ylabel=label, ylim=(0, None))
    axes.grid(visible=False, axis="x")
    return str(as_svg(figure, axes, title))


@mpl.rc_context(RULES)
def line_chart(lines: Lines, title: str, x: str, y: str) -> str:
    """SVG of a line per series over the places."""
    figure, (axes,) = empty_figure(1, height=3.5)
    for place, (name, values) in enumerate(lines.series.items()):
        points = [(at, value) for at, value in enumerate(values) if value is not None]
        axes.plot(
            [at for at, _ in points],
            [value for _, value in points],
            label=name,
            color=COLOURS[place],
            marker=MARKERS[place],
            linestyle=LINES[place],
        )
    axes.set_xticks(range(len(lines.places)), list(lines.places))
    axes.set(xlabel=x, ylabel=y, ylim=(0, None))
    return str(as_svg(figure, axes, title))
