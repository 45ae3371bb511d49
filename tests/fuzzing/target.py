"""Something that reads from outside, with what it may be given and a check that raises where it breaks.

To break is to raise what is no error of ours, as the command line shows a traceback for it, or not to end.
"""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

_PACKAGE = "q2pt_tasks."


@dataclass(frozen=True)
class Target:
    """Something that reads.

    Attributes:
        name: for people.
        given: what it is given.
        check: calls it.
        examples: of the fast tests; fewer where one takes a second.
    """

    name: str
    given: st.SearchStrategy[Any]
    check: Callable[[Any], None]
    examples: int = 25


@contextlib.contextmanager
def own_errors() -> Iterator[None]:
    """Lets errors of ours pass, as sentences for people; any other comes out."""
    try:
        yield
    except Exception as error:
        if not type(error).__module__.startswith(_PACKAGE):
            raise
        # They must be sentences that can be printed anywhere.
        str(error).encode()


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)
