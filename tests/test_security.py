"""docs/security.md names tests that there are."""

import re
from pathlib import Path

DOCUMENT = Path("docs/security.md").read_text(encoding="utf-8")
ATTACKS = [line for line in DOCUMENT.splitlines() if line.startswith("| **")]
# `tests/report/test_page.py`, and after it `test_in_browser.py` of the same folder; a folder of tests as well.
NAMED = re.compile(r"`(tests(?:/\w+)*/?|(?:tests/)?(?:\w+/)*test_\w+\.py|\.ci/run|make \w+)`")


def _exists(name: str) -> bool:
    if name.startswith("make "):
        return f"\n{name.removeprefix('make ')}:" in Path("Makefile").read_text(encoding="utf-8")
    return Path(name).exists() or any(Path("tests").rglob(name))


def test_every_attack_is_stopped_by_something_that_is_shown() -> None:
    assert len(ATTACKS) > 10
    for line in ATTACKS:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert len(cells) == 3, line
        assert NAMED.findall(cells[2]), f"no test: {cells[0]}"


def test_every_test_that_is_named_is_there() -> None:
    named = {name for line in ATTACKS for name in NAMED.findall(line.strip("|").split("|")[2])}
    assert [name for name in sorted(named) if not _exists(name)] == []
