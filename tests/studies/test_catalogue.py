import importlib

import pytest

from q2pt_tasks import cli
from q2pt_tasks.studies.catalogue import CATALOGUE, Entry
from q2pt_tasks.studies.study import Options

# These have a form of their own.
EARLIER = {"google_taxonomy", "synthetic_seeds", "training_noise"}
COMMON = [entry for entry in CATALOGUE if entry.name not in EARLIER]


def test_without_a_name_the_studies_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["study"])
    said = capsys.readouterr().out
    assert all(entry.name in said and entry.question in said for entry in CATALOGUE)
    assert "docs/results/locale-pairs.md" in said


@pytest.mark.parametrize("entry", COMMON, ids=[entry.name for entry in COMMON])
def test_a_study_has_runs_whose_names_are_names_of_files_and_differ(entry: Entry) -> None:
    runs = importlib.import_module(f"q2pt_tasks.studies.{entry.name}").runs(Options())
    names = [run.name for run in runs]
    assert len(set(names)) == len(names) > 0
    assert all("/" not in name for name in names)


def test_the_options_reach_the_study(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[object] = []
    monkeypatch.setattr("q2pt_tasks.studies.runner.run_study", lambda _, name, options: asked.append((name, options)))
    cli.main(["study", "locale_pairs", "--own-log"])
    cli.main(["study", "label_noise", "--seeds", "3", "4"])
    assert asked == [("locale_pairs", Options(own_log=True)), ("label_noise", Options(seeds=(3, 4)))]
    monkeypatch.setattr("q2pt_tasks.studies.google_taxonomy.study", lambda _, options: asked.append(options))
    cli.main(["study", "google_taxonomy", "--encoder", "e5", "--seeds", "7"])
    assert asked[-1] == Options(encoder="e5", seeds=(7,))
    with pytest.raises(SystemExit):
        cli.main(["study", "no_such_study"])
    assert "locale_pairs" in capsys.readouterr().err
