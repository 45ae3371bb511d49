"""`split`: labelled queries become training, validation, test and forward sets, apart for every locale."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field, model_validator

from q2pt_tasks.data.census import LocaleCensus, take_census
from q2pt_tasks.data.schema import Locale, Locales
from q2pt_tasks.data.splits import (
    HISTORY_SPLITS,
    Sample,
    SplitRules,
    check_no_leak,
    divide,
    flip_labels,
    label_space,
    mark_seen,
)
from q2pt_tasks.engine.tables import write_table
from q2pt_tasks.layout import SPLITS, Layout
from q2pt_tasks.params import ParamsError, Section, read_section
from q2pt_tasks.threads import side_by_side


class SplitParams(Section):
    """The section `split`."""

    salt: Annotated[str, Field(min_length=1)]
    validation: Annotated[float, Field(gt=0, lt=1)]
    test: Annotated[float, Field(gt=0, lt=1)]
    min_train_queries: Annotated[int, Field(ge=1)]
    keep_share: dict[Locale, Annotated[float, Field(gt=0, le=1)]]
    keep_queries: dict[Locale, Annotated[int, Field(ge=0)]]
    flip_labels: Annotated[float, Field(ge=0, lt=1)]

    @model_validator(mode="after")
    def _leave_some_for_training(self) -> "SplitParams":
        if self.validation + self.test >= 1:
            raise ValueError(
                f"validation + test below 1, found {self.validation} + {self.test}: nothing is left to train on"
            )
        return self

    def rules(self) -> SplitRules:
        return SplitRules(self.salt, self.validation, self.test)

    def sample(self, locale: str) -> Sample:
        return Sample(self.keep_share.get(locale, 1.0), self.keep_queries.get(locale))


@dataclass(frozen=True)
class SplitReport:
    """Rows per split over all locales, and the product types that the unified models will know."""

    rows: Mapping[str, int]
    product_types: int

    def __str__(self) -> str:
        counts = ", ".join(f"{split} {count:,}" for split, count in self.rows.items())
        return f"{counts}; {self.product_types:,} product types"


def main(layout: Layout) -> SplitReport:
    return run(
        layout,
        read_section(layout.params, "split", SplitParams),
        read_section(layout.params, "locales", Locales),
    )


def run(layout: Layout, params: SplitParams, locales: Sequence[str]) -> SplitReport:
    """Writes `data/splits/locale=XX/{train,validation,test,forward}.parquet`, the label spaces and the censuses.

    Raises:
        SplitLeakError: a query would stand on both sides of a split; no split is left then.
        ParamsError: `keep_share` or `keep_queries` names a locale that the shop does not have.
    """
    for key, named in (("keep_share", params.keep_share), ("keep_queries", params.keep_queries)):
        if strangers := set(named) - set(locales):
            raise ParamsError(f"split.{key} names {sorted(strangers)}, not among locales {list(locales)}")
    shutil.rmtree(layout.splits, ignore_errors=True)
    try:
        divided = dict(zip(locales, side_by_side(partial(_split_locale, layout, params), locales), strict=True))
        check_no_leak({locale: own.queries for locale, own in divided.items()})
    except BaseException:
        # A half of the splits could be taken for all of them.
        shutil.rmtree(layout.splits, ignore_errors=True)
        raise
    write_census(layout.census(None), {locale: own.census for locale, own in divided.items()})
    product_types = label_space([own.census.labels for own in divided.values()], params.min_train_queries)
    _write_label_space(layout.label_space(None), product_types, params)
    rows = {split: sum(own.rows[split] for own in divided.values()) for split in SPLITS}
    return SplitReport(rows, len(product_types))


@dataclass(frozen=True)
class _Divided:
    """What stays in memory of a locale that is written.

    Attributes:
        queries: the texts of training, validation and test, to be compared with those of the other locales.
        rows: of each split.
        census: of the training queries.
    """

    queries: Mapping[str, pa.Table]
    rows: Mapping[str, int]
    census: LocaleCensus


def _split_locale(layout: Layout, params: SplitParams, locale: str) -> _Divided:
    tables = _divide_locale(layout, params, locale)
    census = _write_locale(layout, params, locale, tables)
    queries = {split: tables[split].select(["query"]) for split in HISTORY_SPLITS}
    return _Divided(queries, {split: len(table) for split, table in tables.items()}, census)


def _divide_locale(layout: Layout, params: SplitParams, locale: str) -> dict[str, pa.Table]:
    tables = divide(_labeled(layout, "history", locale), params.rules(), params.sample(locale))
    tables["train"] = flip_labels(tables["train"], params.flip_labels, params.salt)
    return {**tables, "forward": mark_seen(_labeled(layout, "forward", locale), tables["train"])}


def _write_locale(layout: Layout, params: SplitParams, locale: str, tables: Mapping[str, pa.Table]) -> LocaleCensus:
    """Writes what one locale's models are made of, and returns its census."""
    for split, table in tables.items():
        write_table(table, layout.split(locale, split))
    census = take_census(tables["train"])
    own_types = label_space([census.labels], params.min_train_queries)
    _write_label_space(layout.label_space(locale), own_types, params)
    write_census(layout.census(locale), {locale: census})
    return census


def _labeled(layout: Layout, period: str, locale: str) -> pa.Table:
    # A single file, not a data set: the `locale=` in its name must not become a column.
    return pq.ParquetFile(layout.labeled / period / f"locale={locale}.parquet").read()


def _write_label_space(path: Path, product_types: Sequence[str], params: SplitParams) -> None:
    """The product types in the order of a model's outputs, and the division that they come from."""
    division = {"salt": params.salt, "validation": params.validation, "test": params.test}
    document = json.dumps({"split": division, "product_types": product_types}, indent=1, ensure_ascii=False)
    path.write_text(document + "\n", encoding="utf-8")


def write_census(path: Path, censuses: Mapping[str, LocaleCensus]) -> None:
    document = {locale: asdict(census) for locale, census in censuses.items()}
    path.write_text(json.dumps(document, ensure_ascii=False) + "\n", encoding="utf-8")
