"""Where the benchmark keeps what it makes, below the repository's root."""

from dataclasses import dataclass
from pathlib import Path

BRANCH = "branch"


@dataclass(frozen=True)
class Place:
    """The folder of one benchmark; `data/` holds what all contestants read."""

    folder: Path

    @property
    def facts(self) -> Path:
        """What the data are; written last."""
        return self.folder / "data/facts.json"

    @property
    def texts(self) -> Path:
        """Test queries in random order, one a line."""
        return self.folder / "data/queries.txt"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    def rows(self, part: str) -> Path:
        """`train`, or `branch-train`, `branch-validation` and `branch-test`."""
        return self.folder / f"data/{part}.npz"

    def model(self, name: str) -> Path:
        """The checkpoint that all contestants start from."""
        return self.folder / "models" / name

    def workspace(self, name: str) -> Path:
        """A folder in which the pipeline's training stages find what they read."""
        return self.folder / "stages" / name

    def trained(self, contestant: str) -> str:
        """A template of the folder of a model that a contestant trained; `{seed}` stands for the seed."""
        return str(self.folder / "trained" / f"{contestant}-{{seed}}")
