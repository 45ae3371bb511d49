"""Folders in which the training stages find params, tokens and label spaces, as the stage `tokenize` leaves them."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from benchmarks.performance.data import MAX_TOKENS, RULES, Query
from benchmarks.performance.sizes import Stages
from q2pt_tasks.data.census import take_census
from q2pt_tasks.data.schema import Locales
from q2pt_tasks.engine.tables import write_table
from q2pt_tasks.layout import Layout
from q2pt_tasks.model.encoder import ResolvedEncoder
from q2pt_tasks.model.examples import TOKENS
from q2pt_tasks.model.metadata import METADATA
from q2pt_tasks.model.tokenizer import QueryTokenizer
from q2pt_tasks.params import read_section
from q2pt_tasks.params_edit import edit_params
from q2pt_tasks.sources.encoder_files import copy_encoder
from q2pt_tasks.stages.split import write_census

# Validation queries for every training query, as the pipeline splits.
_VALIDATION_SHARE = 1 / 7
_SPLITS = ("train", "validation")

# Queries per split.
Parts = Mapping[str, Sequence[Query]]


def stage_locales(stages: Stages) -> tuple[str, ...]:
    """As many as are wanted of those that params.yaml names."""
    return tuple(read_section(Layout().params, "locales", Locales)[: stages.locales])


@dataclass(frozen=True)
class Workspace:
    """The folder, and what its stages train on: parts of equal size, one per locale."""

    layout: Layout
    tokenizer: QueryTokenizer
    stages: Stages

    def write(self, encoder: str, queries: Parts) -> None:
        """Writes everything that the training stages read; `encoder` is a path from the workspace."""
        self._write_params(encoder)
        parts = {locale: self._part(index, queries) for index, locale in enumerate(self.locales)}
        for locale, part in parts.items():
            tables = {split: self._tokens(locale, part[split]) for split in _SPLITS}
            self._write_tokens(self.layout.non_unified_tokens(locale), tables)
            self._write_label_space(locale, part["train"])
            self._write_census(locale, tables["train"])
        joined = {
            split: pa.concat_tables([self._tokens(locale, part[split]) for locale, part in parts.items()])
            for split in _SPLITS
        }
        self._write_tokens(self.layout.unified_tokens(), joined)
        self._write_label_space(None, [query for part in parts.values() for query in part["train"]])
        self._write_census(None, joined["train"])

    @property
    def locales(self) -> tuple[str, ...]:
        return stage_locales(self.stages)

    def _write_params(self, encoder: str) -> None:
        self.layout.encoder_manifest.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(Layout().params, self.layout.params)
        changes: dict[str, object] = {"encoder.name": encoder, "encoder.max_tokens": MAX_TOKENS}
        for section in ("train_unified", "train_non_unified"):
            changes[f"{section}.pretrained.objective"] = "binary_cross_entropy"
            changes[f"{section}.pretrained.max_epochs"] = self.stages.epochs
            changes[f"{section}.pretrained.patience"] = self.stages.epochs
        edit_params(self.layout.params, {**changes, "locales": list(self.locales)})
        resolved = {"name": encoder, "revision": "main", "commit": None}
        self.layout.encoder_manifest.write_text(json.dumps(resolved) + "\n", encoding="utf-8")
        # As the stage `encoder` leaves it.
        files = sorted(file for file in (self.layout.root / encoder).iterdir() if file.name != METADATA)
        copy_encoder(files, ResolvedEncoder(encoder, "main", None), self.layout.encoder)

    def _part(self, index: int, queries: Parts) -> dict[str, Sequence[Query]]:
        """The queries of one locale: a slice of all of them, so that every locale is of the same difficulty."""
        rows = self.stages.rows_per_locale
        counts = {"train": rows, "validation": max(1, round(rows * _VALIDATION_SHARE))}
        return {split: queries[split][index * count : (index + 1) * count] for split, count in counts.items()}

    def _tokens(self, locale: str, queries: Sequence[Query]) -> pa.Table:
        texts = [query.text for query in queries]
        columns = {
            "locale": [locale] * len(queries),
            "query": texts,
            "token_ids": self.tokenizer.encode(texts, MAX_TOKENS),
            "product_types": [query.product_types for query in queries],
            "shares": [[1 / len(query.product_types)] * len(query.product_types) for query in queries],
        }
        return pa.table(columns, schema=TOKENS)

    def _write_tokens(self, folder: Path, tables: Mapping[str, pa.Table]) -> None:
        for split, table in tables.items():
            write_table(table, folder / f"{split}.parquet")
        self.tokenizer.save(folder / "tokenizer")

    def _write_label_space(self, locale: str | None, train: Sequence[Query]) -> None:
        file = self.layout.label_space(locale)
        file.parent.mkdir(parents=True, exist_ok=True)
        split = {"salt": RULES.salt, "validation": RULES.validation, "test": RULES.test}
        types = sorted({name for query in train for name in query.product_types})
        file.write_text(json.dumps({"split": split, "product_types": types}) + "\n", encoding="utf-8")

    def _write_census(self, locale: str | None, train: pa.Table) -> None:
        """Of all locales together it is one locale's here: a training copies it and does not read it."""
        write_census(self.layout.census(locale), {locale or self.locales[0]: take_census(train)})
