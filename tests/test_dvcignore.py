"""What DVC does not see in a dependency that is a folder."""

from pathlib import Path

from dvc.repo import Repo


def test_what_python_compiles_does_not_change_a_stage() -> None:
    with Repo(".") as repo:
        folders = [Path(str(dep)) for stage in repo.index.stages for dep in stage.deps if Path(str(dep)).is_dir()]
        code = [folder for folder in folders if folder.parts[0] == "q2pt_tasks"]
        assert code != []
        for folder in code:
            assert repo.dvcignore.is_ignored_dir(str(folder / "__pycache__")), folder
