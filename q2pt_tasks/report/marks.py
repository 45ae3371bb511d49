"""Small marks beside a number: where it lies between bounds, with its interval, as places in a drawing 100 wide."""

from dataclasses import dataclass

WIDTH = 100.0


@dataclass(frozen=True)
class Bar:
    """A bar from `start` over `length`, its interval, and a tick for what it is compared with; None: not drawn."""

    start: float
    length: float
    low: float | None
    high: float | None
    tick: float | None


def share_bar(value: float | None, low: float | None, high: float | None, tick: float | None = None) -> Bar | None:
    """A share between 0 and 1."""
    if value is None:
        return None
    return Bar(0.0, _place(value), _optional(low), _optional(high), _optional(tick))


def change_bar(change: float | None, low: float | None, high: float | None, reach: float) -> Bar | None:
    """A change between -`reach` and `reach`; nothing has changed in the middle."""
    if change is None:
        return None
    ends = sorted((_place(0.5), _place(_around(change, reach))))
    return Bar(
        ends[0],
        round(ends[1] - ends[0], 1),
        None if low is None else _place(_around(low, reach)),
        None if high is None else _place(_around(high, reach)),
        None,
    )


def direction(change: float | None, low: float | None, high: float | None) -> str:
    """What a change is called: `better` or `worse` where its interval has only one side, else `no clear change`."""
    if change is None:
        return ""
    if low is not None and low > 0:
        return "better"
    if high is not None and high < 0:
        return "worse"
    return "no clear change"


def _around(change: float, reach: float) -> float:
    return 0.5 + change / reach / 2 if reach else 0.5


def _optional(share: float | None) -> float | None:
    return None if share is None else _place(share)


def _place(share: float) -> float:
    return round(min(1.0, max(0.0, share)) * WIDTH, 1)
