"""Pieces of a page of results, in Markdown."""

from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [_line(header), _line(["---"] * len(header)), *(_line([_cell(value) for value in row]) for row in rows)]
    return "\n".join(lines)


def code(text: str) -> str:
    return f"```\n{text}\n```"


def bullet(text: str) -> str:
    return f"- {text}"


def figure(alternative: str, file: str) -> str:
    return f"![{alternative}]({file})"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
