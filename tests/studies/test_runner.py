"""A study of two runs whose stages take no time: what is run, what is kept, and what stands on the page."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

import pytest

from q2pt_tasks.layout import Layout
from q2pt_tasks.params import read_section
from q2pt_tasks.params_edit import edit_params
from q2pt_tasks.studies import runner
from q2pt_tasks.studies.catalogue import CATALOGUE, Entry
from q2pt_tasks.studies.study import Figures, Options, Page, Run
from q2pt_tasks.studies.workspace import StudyError, Workspace

NAME = "halves"


class Halves(ModuleType):
    """A study that halves seeds."""

    def __init__(self) -> None:
        super().__init__(f"q2pt_tasks.studies.{NAME}")
        self.measured: list[str] = []

    def runs(self, options: Options) -> Sequence[Run]:
        return [Run(f"seed {seed}", {"seed": seed}) for seed in options.seeds]

    def measure(self, run: Run, layout: Layout) -> Figures:
        self.measured.append(run.name)
        return {"half": read_section(layout.params, "seed", int) / 2, "pair": (1, 2)}

    def page(self, results: Mapping[str, Figures]) -> Page:
        return Page(
            introduction="Halves of seeds.",
            sections={"Figures": ", ".join(f"{name}: {one['half']} {one['pair']}" for name, one in results.items())},
            conclusion=["A half is less than a whole."],
            limits=["Two halves alone were asked."],
            plot="<svg></svg>",
            plot_says="Halves",
        )


class Stages:
    """In place of the commands in a workspace: notes what was asked, and fails where it shall."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, Sequence[str]]] = []
        self.fails = False

    def resolve(self, workspace: Workspace) -> None:
        for manifest in (workspace.layout.source_manifest, workspace.layout.encoder_manifest):
            manifest.write_text("{}")

    def reproduce(self, workspace: Workspace, targets: Sequence[str] = ()) -> None:
        self.asked.append((read_section(workspace.layout.params, "seed", int), targets))
        if self.fails:
            raise StudyError("a stage failed")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for file in ("params.yaml", "dvc.yaml", "q2pt_tasks/cli.py"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        shutil.copyfile(file, tmp_path / file)
    return tmp_path


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Halves:
    halves = Halves()
    monkeypatch.setitem(__import__("sys").modules, halves.__name__, halves)
    entry = Entry(NAME, "Is a half less than a whole?")
    monkeypatch.setattr("q2pt_tasks.studies.catalogue.CATALOGUE", (*CATALOGUE, entry))
    return halves


@pytest.fixture
def stages(monkeypatch: pytest.MonkeyPatch) -> Stages:
    fake = Stages()
    monkeypatch.setattr(Workspace, "resolve", lambda workspace: fake.resolve(workspace))
    monkeypatch.setattr(Workspace, "reproduce", lambda workspace, targets=(): fake.reproduce(workspace, targets))
    monkeypatch.setattr(runner, "prepare_workspace", _prepare)
    return fake


def _prepare(root: Path, name: str, changes: Mapping[str, object]) -> Workspace:
    folder = root / "build/studies" / name
    shutil.copytree(root / "q2pt_tasks", folder / "q2pt_tasks", dirs_exist_ok=True)
    (folder / "data").mkdir(exist_ok=True)
    for file in ("params.yaml", "dvc.yaml"):
        shutil.copyfile(root / file, folder / file)
    edit_params(folder / "params.yaml", changes)
    return Workspace(folder)


@pytest.mark.usefixtures("study")
def test_every_run_is_made_and_measured_and_the_page_tells_of_them(project: Path, stages: Stages) -> None:
    page = runner.run_study(project, NAME, Options(seeds=(4, 5)))
    assert stages.asked == [(4, ["split"]), (5, ["split"])]
    assert page == project / "docs/results/halves.md"
    text = page.read_text()
    assert text.startswith("# Is a half less than a whole?\n\nHalves of seeds.\n")
    assert "q2pt study halves --seeds 4 5" in text
    assert "seed 4: 2.0 [1, 2], seed 5: 2.5 [1, 2]" in text
    assert "![Halves](halves.svg)" in text
    assert text.index("- A half is less") < text.index("- Two halves alone")
    assert (project / "docs/results/halves.svg").read_text() == "<svg></svg>"


def test_a_stopped_study_goes_on_where_it_was(project: Path, study: Halves, stages: Stages) -> None:
    runner.run_study(project, NAME, Options(seeds=(4,)))
    stages.fails = True
    with pytest.raises(StudyError):
        runner.run_study(project, NAME, Options(seeds=(4, 5)))
    stages.fails = False
    page = runner.run_study(project, NAME, Options(seeds=(4, 5)))
    assert study.measured == ["seed 4", "seed 5"]
    assert [seed for seed, _ in stages.asked] == [4, 5, 5]
    assert "seed 4: 2.0 [1, 2], seed 5: 2.5 [1, 2]" in page.read_text()


@pytest.mark.usefixtures("stages")
@pytest.mark.parametrize("changed", ["params.yaml", "dvc.yaml", "q2pt_tasks/cli.py"])
def test_figures_of_other_code_or_params_are_not_taken(project: Path, study: Halves, changed: str) -> None:
    runner.run_study(project, NAME, Options(seeds=(4,)))
    with (project / changed).open("a") as file:
        file.write("# edited\n")
    runner.run_study(project, NAME, Options(seeds=(4,)))
    assert study.measured == ["seed 4", "seed 4"]


@pytest.mark.usefixtures("study", "stages")
def test_the_page_of_a_users_own_log_stays_out_of_the_documents(project: Path) -> None:
    page = runner.run_study(project, NAME, Options(seeds=(4,), own_log=True))
    assert page == project / "build/studies/halves/halves.md"
    assert not (project / "docs").exists()


def test_a_run_trains_what_it_names_and_nothing_else() -> None:
    run = Run("one", {}, unified=("unified_aware",), own=("pl-PL",))
    assert run.targets == ["train_unified@unified_aware", "train_non_unified@pl-PL"]
    assert run.models(Layout()) == [Path("models/unified_aware"), Path("models/non_unified/pl-PL")]


@pytest.mark.usefixtures("study")
def test_a_command_on_the_page_has_no_path_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "an-encoder").mkdir()
    options = Options(taxonomy=tmp_path / "taxonomy", encoder=str(tmp_path / "an-encoder"))
    command = runner._command(NAME, options)
    assert command == "```\nq2pt study halves --taxonomy path/to/taxonomy --encoder path/to/an-encoder\n```"
