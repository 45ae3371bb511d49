"""What a study is made of: runs of the pipeline, figures measured after each, and a page that tells them.

A study is a module with three functions, `runs`, `measure` and `page`, of the types in `Study`. `runner.run_study` does
the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from q2pt_tasks.layout import Layout

# What is measured after a run: anything that JSON can say.
Figures = Mapping[str, Any]


@dataclass(frozen=True)
class Options:
    """What is said on the command line.

    Attributes:
        taxonomy: directory with Google's files; downloaded where None.
        encoder: name or directory of a pre-trained encoder; that of the params where None.
        seeds: of the trainings; the study's own where there are none.
        own_log: ask the log that `params.yaml` names, with its params as they are.
    """

    taxonomy: Path | None = None
    encoder: str | None = None
    seeds: tuple[int, ...] = ()
    own_log: bool = False


@dataclass(frozen=True)
class Run:
    """One run of the pipeline with other params.

    Attributes:
        name: names its figures; a file's name.
        changes: key of `params.yaml` -> value.
        unified: the unified variants to train.
        own: the locales whose own models to train.
    """

    name: str
    changes: Mapping[str, Any]
    unified: Sequence[str] = ()
    own: Sequence[str] = ()

    @property
    def targets(self) -> list[str]:
        """What DVC shall reproduce: the trainings, or the data alone."""
        trainings = [f"train_unified@{variant}" for variant in self.unified]
        return [*trainings, *(f"train_non_unified@{locale}" for locale in self.own)] or ["split"]

    def models(self, layout: Layout) -> list[Path]:
        """The folders of the models that it trains."""
        return [*map(layout.unified_model, self.unified), *map(layout.non_unified_model, self.own)]


@dataclass(frozen=True)
class Page:
    """What a study says.

    Attributes:
        introduction: what was asked, how, on which data.
        sections: heading -> Markdown, in their order.
        plot: SVG; empty for none.
        plot_says: what the plot shows, for who cannot see it.
        conclusion: sentences, each computed from figures.
        limits: what the study cannot say.
    """

    introduction: str
    sections: Mapping[str, str]
    conclusion: Sequence[str]
    limits: Sequence[str]
    plot: str = ""
    plot_says: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)


class Study(Protocol):
    """The functions of a study's module."""

    def runs(self, options: Options) -> Sequence[Run]:
        """The runs, those that share data after each other."""

    def measure(self, run: Run, layout: Layout) -> Figures:
        """Figures of a run that has ended, from what it left in `layout`."""

    def page(self, results: Mapping[str, Figures]) -> Page:
        """The page, from the figures of every run by its name."""
