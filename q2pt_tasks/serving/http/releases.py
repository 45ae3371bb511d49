"""What the service is given to serve: a release names, for each store, the checkpoint that answers it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Routes:
    """The checkpoints of one model.

    Attributes:
        by_locale: the folder of each store's checkpoint.
        otherwise: that of all other stores; None where these are not served.
    """

    by_locale: Mapping[str, Path]
    otherwise: Path | None = None

    def checkpoint_of(self, locale: str) -> Path | None:
        return self.by_locale.get(locale, self.otherwise)

    @property
    def checkpoints(self) -> tuple[Path, ...]:
        """Each folder once."""
        folders = [*self.by_locale.values(), *([self.otherwise] if self.otherwise else [])]
        return tuple(dict.fromkeys(folders))


@dataclass(frozen=True)
class Release:
    """What is served at one time.

    Attributes:
        version: its name; two releases of one name are the same bytes.
        models: at least one, by name. The first one serves, the others are there to be compared with it.
    """

    version: str
    models: Mapping[str, Routes]

    @property
    def serving(self) -> str:
        """The name of the model that serves."""
        return next(iter(self.models))

    @property
    def checkpoints(self) -> tuple[Path, ...]:
        """The folders of all models, each once."""
        return tuple(dict.fromkeys(folder for routes in self.models.values() for folder in routes.checkpoints))


class Releases(Protocol):
    """Where releases come from."""

    def current(self) -> Release:
        """The release that should be served now; asked every few seconds, so it reads no weights."""
