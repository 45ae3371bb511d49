"""What is installed is pinned, and each pin has the hashes of its files."""

import re
from pathlib import Path

PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)", re.MULTILINE)


def _pins(file: str) -> dict[str, str]:
    found = PIN.findall(Path(file).read_text(encoding="utf-8"))
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in found}


def test_the_hashes_are_those_of_the_pinned_versions() -> None:
    pins = _pins("constraints.txt")
    assert len(pins) > 300
    assert _pins("hashes.txt") == pins, "make hashes"


def test_every_pin_has_a_hash() -> None:
    blocks = re.split(r"(?m)^(?=[A-Za-z0-9])", Path("hashes.txt").read_text(encoding="utf-8"))[1:]
    assert len(blocks) == len(_pins("hashes.txt"))
    for block in blocks:
        first, *others = (line.rstrip(" \\") for line in block.splitlines())
        assert PIN.fullmatch(first), first
        assert others, first
        assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}", line) for line in others), first


def test_the_licence_of_every_pinned_version_is_listed_and_of_no_other() -> None:
    header, _, *lines = Path("docs/licences-table.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in [header, *lines]]
    assert rows.pop(0) == ["Name", "Version", "License"]
    # A build of torch says for what it was built.
    listed = {re.sub(r"[-_.]+", "-", name).lower(): version.partition("+")[0] for name, version, _ in rows}
    assert listed == _pins("constraints.txt"), "make licences"
    assert [name for name, _, licence in rows if licence in ("", "UNKNOWN")] == []
    assert f"all {len(rows)} packages" in Path("docs/licences.md").read_text(encoding="utf-8")


def test_ci_installs_by_hash() -> None:
    assert "make CONSTRAINTS=hashes.txt" in Path(".ci/run").read_text(encoding="utf-8")


def test_every_dependency_is_pinned() -> None:
    project = Path("pyproject.toml").read_text(encoding="utf-8")
    lists = re.findall(r"(?ms)^(?:dependencies|delta|iceberg|onnx|spark|postgresql|dev) = \[(.*?)\]\n", project)
    names = {re.sub(r"[-_.]+", "-", name).lower() for part in lists for name in re.findall(r'"([A-Za-z0-9._-]+)', part)}
    assert len(names) > 30
    assert names <= _pins("constraints.txt").keys()
