from pathlib import Path

import pytest

from q2pt_tasks import cli
from q2pt_tasks.layout import Layout
from q2pt_tasks.params import STAGE_SECTIONS


def test_help_lists_every_stage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    said = capsys.readouterr().out
    assert all(
        stage in said
        for stage in (
            *STAGE_SECTIONS,
            "resolve",
            "summary",
            "study",
            "predict",
            "materialise",
            "promote",
            "rollback",
            "history",
            "retire",
            "serve",
            "export",
            "prune",
            "expired",
        )
    )


def test_a_target_of_a_matrix_stage_must_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["train_non_unified"])
    assert "--locale" in capsys.readouterr().err


@pytest.mark.parametrize("locale", ["../../etc", "en_US", "", "; rm -rf /"])
def test_a_locale_that_is_none_is_refused(
    finished: Layout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], locale: str
) -> None:
    monkeypatch.chdir(finished.root)
    with pytest.raises(SystemExit) as stopped:
        cli.main(["train_non_unified", "--locale", locale])
    assert stopped.value.code == 1
    assert "a language and a region such as en-GB" in capsys.readouterr().err


def test_a_variant_that_is_not_unified_is_refused(
    finished: Layout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(finished.root)
    with pytest.raises(SystemExit):
        cli.main(["train_unified", "--variant", "non_unified"])
    assert "allowed are unified_agnostic, unified_aware" in capsys.readouterr().err


def test_the_summary_prints_table_decision_and_report(
    finished: Layout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(finished.root)
    cli.main(["summary"])
    said = capsys.readouterr().out
    assert "unified" in said
    assert "en-GB" in said
    assert "reports/index.html" in said


def test_outside_a_project_a_command_says_where_to_run(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path_factory.mktemp("empty")
    monkeypatch.chdir(empty)
    for command in ("resolve", "ingest", "gate", "summary"):
        with pytest.raises(SystemExit) as stopped:
            cli.main([command])
        assert stopped.value.code == 1
        assert "failed" in capsys.readouterr().err


def test_resolve_refuses_a_slip_in_the_section_of_a_late_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    params = Path("params.yaml").read_text().replace("  forward_tolerance:", "  forward_tolerence:")
    (tmp_path / "params.yaml").write_text(params)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        cli.main(["resolve"])
    said = capsys.readouterr().err
    assert "unknown key 'gate.forward_tolerence'" in said
    assert not (tmp_path / "data").exists()
