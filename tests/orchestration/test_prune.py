"""The task that prunes: the stores of its settings, the git remotes that an operator has named, and no others."""

import os
from pathlib import Path

import pytest
from night_repository import Shop

from q2pt_tasks.orchestration import prune
from q2pt_tasks.orchestration.settings import SettingsError
from q2pt_tasks.registry.opening import open_release

_LONG_AGO = 1_600_000_000


def test_what_nothing_needs_is_shown_and_then_removed(
    promoted_shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shop, settings = promoted_shop, promoted_shop.settings
    monkeypatch.setenv("Q2PT_PRUNE_REGISTRIES", settings.git_remote)
    stray = settings.dvc_cache / "files/md5/00" / ("1" * 30)
    stray.parent.mkdir(exist_ok=True)
    stray.write_text("of nobody")
    for path in settings.dvc_cache.rglob("*"):
        os.utime(path, (_LONG_AGO, _LONG_AGO))
    before, refs = _objects(settings.dvc_cache), shop.refs()
    assert prune.run(settings, {"remove": False})["said"].startswith("Nothing was removed")
    shown = capsys.readouterr().out
    assert f"{settings.dvc_cache}: 1 objects of 0.0 MB" in shown
    assert "\nNothing was removed" in shown
    assert _objects(settings.dvc_cache) == before
    assert prune.run(settings, {"remove": True}) == {"said": "Removed."}
    assert before - _objects(settings.dvc_cache) == {stray}
    assert shop.refs() == refs
    # What serves is whole.
    assert open_release("prod", settings.git_remote, tmp_path / "consumer").version == "v1"


def test_it_looks_at_nothing_before_somebody_has_said_whose_files_they_are(promoted_shop: Shop) -> None:
    with pytest.raises(SettingsError, match="Q2PT_PRUNE_REGISTRIES is not set"):
        prune.run(promoted_shop.settings, {"remove": True})


def _objects(cache: Path) -> set[Path]:
    return {path for path in (cache / "files").rglob("*") if path.is_file()}
