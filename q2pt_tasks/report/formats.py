"""How the report writes numbers."""

from collections.abc import Callable, Iterable, Mapping, Sequence

DASH = "\N{EN DASH}"


def number(value: float | None) -> str:
    """Three decimals, a dash for what is not defined."""
    return DASH if value is None else f"{value:.3f}"


def short(value: float) -> str:
    """Two decimals, for cells of which there are many: `.68`, `1.0`."""
    return f"{value:.2f}".removeprefix("0") if value < 0.995 else "1.0"


def signed(value: float | None) -> str:
    """Three decimals with a sign, a dash for what is not defined."""
    return DASH if value is None else f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")


def percent(share: float) -> str:
    """`95 %`."""
    return f"{share:.0%}".replace("%", "\N{NO-BREAK SPACE}%")


def count(value: float | None) -> str:
    """A whole number with thousands separators, a dash for what is not known."""
    return DASH if value is None else f"{value:,.0f}"


def figure(value: object) -> str:
    """Any figure of a rule as text."""
    if value is None or isinstance(value, float):
        return number(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return count(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {figure(item)}" for key, item in value.items()) or DASH
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(figure, value)) or DASH
    return str(value)


def span(values: Iterable[float | None], form: Callable[[float | None], str]) -> str:
    """One text where the defined values agree, "low to high" where they differ, a dash where there are none."""
    known = [value for value in values if value is not None]
    if not known:
        return DASH
    low, high = form(min(known)), form(max(known))
    return low if low == high else f"{low} to {high}"
