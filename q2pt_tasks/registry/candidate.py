"""What a run has made and the gate has said yes to, as promotion takes it: from Airflow and from a checkout alike."""

from collections.abc import Mapping
from dataclasses import dataclass

from q2pt_tasks.layout import Layout
from q2pt_tasks.registry.release import Store


class PromotionRefusedError(RuntimeError):
    """A release must not take production."""


@dataclass(frozen=True)
class Models:
    """DVC's hashes of a variant's directories.

    Attributes:
        by_locale: of each store's model; of one model for all stores under the empty name.
        encoder: of the encoder that models by store need beside them; None for one model.
    """

    by_locale: Mapping[str, str]
    encoder: str | None


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A run's model on its way to production.

    Attributes:
        run: the run's name.
        commit: its commit, with its `dvc.lock`, which the registry has.
        variant: the kind of model.
        models: its directories.
        locales: the stores that the run trained for.
        kept: those that stay on the checkpoint of the release that serves.
        last_day: the last day of the window that it learned from, in ISO form.
        judged_against: version and hash of what it was compared with; None where nothing was in production.
        by: the person or the run that promotes it.
        why: the gate's sentence.
        figures: its headline figures.
        store: where its files are, and consumers will find them.
    """

    run: str
    commit: str
    variant: str
    models: Models
    locales: tuple[str, ...]
    kept: tuple[str, ...]
    last_day: str
    judged_against: tuple[str, str] | None
    by: str
    why: str
    figures: Mapping[str, float | None]
    store: Store


def models_of(outs: Mapping[str, str], variant: str) -> Models:
    """The directories of a variant among a run's outputs.

    Args:
        outs: DVC's hash of every output, by its path.
        variant: the kind of model.

    Raises:
        PromotionRefusedError: the run has no such model.
    """
    folder, encoder = f"{Layout().models.as_posix()}/{variant}", Layout().encoder.as_posix()
    if folder in outs:
        return Models({"": outs[folder]}, None)
    own = {path.removeprefix(f"{folder}/"): md5 for path, md5 in outs.items() if path.startswith(f"{folder}/")}
    if not own:
        raise PromotionRefusedError(f"the run has no output {folder}, which the gate's candidate would be")
    return Models(own, outs.get(encoder))
