"""Divides the catalog into valid and quarantined rows. It lies in memory: a row is a product of a store."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow.compute as pc

from q2pt_tasks.data.expectations import share
from q2pt_tasks.data.row_rules import LOCALE_UNLISTED, REASON, catalog_rules, judge_catalog
from q2pt_tasks.data.schema import CATALOG, CATALOG_KEY
from q2pt_tasks.data.tallies import TableRows
from q2pt_tasks.engine.interface import Engine
from q2pt_tasks.engine.tables import collect, write_table
from q2pt_tasks.layout import Layout, catalog_file
from q2pt_tasks.validation.tables import (
    complete_order,
    count_written,
    quarantined_rows,
    valid_rows,
    with_reason,
)


@dataclass(frozen=True)
class DividedCatalog:
    """Where the rows of the catalog went, and the share that breaks a rule of those whose locale is the shop's."""

    rows: TableRows
    dirty_share: float


def divide_catalog(engine: Engine, layout: Layout, locales: Sequence[str]) -> DividedCatalog:
    """Writes the valid and the quarantined rows of the raw catalog."""
    raw, valid, bad = (catalog_file(folder) for folder in (layout.raw, layout.valid, layout.quarantine))
    frame = judge_catalog(engine.scan([raw]), catalog_rules(locales))
    judged = collect(frame, complete_order(CATALOG, CATALOG_KEY)).cast(with_reason(CATALOG))
    quarantined = quarantined_rows(judged)
    write_table(valid_rows(judged), valid)
    write_table(quarantined, bad)
    rows = TableRows(*(count_written([file]) for file in (raw, valid, bad))).check_none_lost("catalog")
    unlisted = pc.sum(pc.equal(quarantined[REASON], LOCALE_UNLISTED)).as_py() or 0
    return DividedCatalog(rows, share(rows.quarantined - unlisted, rows.arrived - unlisted))
