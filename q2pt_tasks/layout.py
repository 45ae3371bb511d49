"""Every path of the pipeline, in one place, relative to the repository's root."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

SPLITS = ("train", "validation", "test", "forward")


@dataclass(frozen=True)
class Layout:
    """Where each stage reads and writes. `root` is the repository's root, or a test's temporary directory."""

    root: Path = Path()

    @property
    def params(self) -> Path:
        return self.root / "params.yaml"

    @property
    def source_manifest(self) -> Path:
        """What lay outside the repository when the run was resolved."""
        return self.root / "data/source.json"

    @property
    def encoder_manifest(self) -> Path:
        """Which encoder it was when the run was resolved: its files and hashes, or its commit on a hub."""
        return self.root / "data/encoder.json"

    @property
    def judgements_manifest(self) -> Path:
        """Which file the human judgements are, when the run was resolved."""
        return self.root / "data/judgements.json"

    @property
    def encoder(self) -> Path:
        """The pre-trained encoder's files; for `scratch` a note that there are none."""
        return self.root / "data/encoder"

    @property
    def champion(self) -> Path:
        """The model in production when the run was resolved."""
        return self.root / "champion.json"

    @property
    def raw(self) -> Path:
        return self.root / "data/raw"

    @property
    def brands(self) -> Path:
        """The brands that the source knows: a sorted list of texts in their normal form, empty where it knows none."""
        return self.raw / "brands.json"

    @property
    def valid(self) -> Path:
        return self.root / "data/valid"

    @property
    def quarantine(self) -> Path:
        return self.root / "data/quarantine"

    @property
    def quarantined_events(self) -> Path:
        """The events that no stage uses, each with the reason."""
        return self.quarantine / "events.parquet"

    @property
    def labeled(self) -> Path:
        return self.root / "data/labeled"

    @property
    def assortment(self) -> Path:
        """What each locale sells: {locale: [product types of its catalog]}."""
        return self.labeled / "assortment.json"

    @property
    def splits(self) -> Path:
        return self.root / "data/splits"

    @property
    def tokens(self) -> Path:
        return self.root / "data/tokens"

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def metrics(self) -> Path:
        return self.root / "metrics"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def validation_report(self) -> Path:
        return self.reports / "validation"

    @property
    def summary(self) -> Path:
        """{"headline": {...}, "rows": [...], "models": [...], "champion": ...}: see `stages/evaluate.py`."""
        return self.metrics / "summary.json"

    @property
    def intervals(self) -> Path:
        """How sure figures are: a list of {variant, split, locale, metric, low, high, standard_error}."""
        return self.metrics / "intervals.json"

    @property
    def differences(self) -> Path:
        """Between any two variants, as in the summary, which has those from the champion."""
        return self.metrics / "differences.json"

    @property
    def calibration(self) -> Path:
        """Reliability curves on test: a list of {variant, split, best, pairs}."""
        return self.metrics / "calibration.json"

    @property
    def comparison(self) -> Path:
        """What else the gate looks at beside the summary, of every variant and the champion: `model/comparison.py`."""
        return self.metrics / "comparison.json"

    @property
    def precision_recall(self) -> Path:
        """Points of the test split's precision-recall curves: a list of {variant, recall, precision}."""
        return self.metrics / "precision_recall.json"

    @property
    def locales(self) -> Path:
        """One entry per variant and locale: a list of {variant, locale, micro_recall, training_rows}."""
        return self.metrics / "locales.json"

    @property
    def slices(self) -> Path:
        """Recall of parts of test and forward, and the gap between stores: see `model/breakdown.py`."""
        return self.metrics / "slices.json"

    @property
    def mistakes(self) -> Path:
        """Per variant the worst product types and the surest mistakes on test: see `model/breakdown.py`."""
        return self.metrics / "mistakes.json"

    @property
    def model_card(self) -> Path:
        """What the models are made of: see `model/card.py`."""
        return self.metrics / "model_card.json"

    @property
    def window(self) -> Path:
        """{"first_day": ..., "last_day": ...}: the days that the run learns from."""
        return self.raw / "window.json"

    @property
    def decision(self) -> Path:
        return self.reports / "decision.json"

    @property
    def report_page(self) -> Path:
        return self.reports / "index.html"

    def label_space(self, locale: str | None) -> Path:
        """The ordered product types that a model knows: of one locale, or of all (`None`)."""
        return self._splits_of(locale) / "label_space.json"

    def census(self, locale: str | None) -> Path:
        """What the training queries of one locale, or of all (`None`), consist of: see `data/census.py`."""
        return self._splits_of(locale) / "census.json"

    def split(self, locale: str, split: str) -> Path:
        return self._splits_of(locale) / f"{split}.parquet"

    def unified_tokens(self) -> Path:
        return self.tokens / "unified"

    def non_unified_tokens(self, locale: str) -> Path:
        return self.tokens / "non_unified" / locale

    def unified_model(self, variant: str) -> Path:
        return self.models / variant

    def non_unified_model(self, locale: str) -> Path:
        return self.models / "non_unified" / locale

    def _splits_of(self, locale: str | None) -> Path:
        return self.splits / f"locale={locale}" if locale else self.splits


def day_files(folder: Path) -> list[Path]:
    """The files of all event dates below `folder`, sorted."""
    return sorted((folder / "events").glob("event_date=*.parquet"))


def day_file(folder: Path, day: object) -> Path:
    """The file of one event date below `folder`; `unknown` for rows without a date."""
    return folder / "events" / f"event_date={day if day is not None else 'unknown'}.parquet"


def day_of_file(file: Path) -> date:
    """The date of a file of one event date.

    Raises:
        ValueError: it is that of rows without a date, or of none.
    """
    return date.fromisoformat(file.stem.removeprefix("event_date="))


def catalog_file(folder: Path) -> Path:
    return folder / "catalog.parquet"
