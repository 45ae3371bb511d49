"""All that a report is made of, with a champion, small stores, and names that try to be markup."""

from dataclasses import replace
from datetime import date

from q2pt_tasks.report.evidence import (
    Bin,
    Calibration,
    Cell,
    Difference,
    FigureInterval,
    Judged,
    Mistakes,
    ModelCard,
    Parity,
    Query,
    Reliability,
    Slice,
    Slices,
    SureMistake,
    VariantCard,
    Window,
    WorstType,
)
from q2pt_tasks.report.inputs import Decision, Inputs, Rule, TableRows, Validation
from q2pt_tasks.report.plots import CurvePoint
from q2pt_tasks.report.tables import VARIANTS, Model, Row, StoreRecall, Summary

HOSTILE = "<script>alert('x')</script>"
HOSTILE_QUERY = "<img src=x onerror=alert(1)>"
LOCALES = ["en-US", "de-DE", "pl-PL", HOSTILE]
CANDIDATE = "unified_aware"
FORWARD_AND_JUDGED = ("forward", "forward_seen", "forward_unseen", "judgements")
_METRICS = (
    "micro_recall",
    "micro_precision",
    "micro_recall_curve",
    "micro_average_precision",
    "macro_recall",
    "macro_precision",
    "macro_recall_curve",
    "macro_average_precision",
    "type_coverage",
    "traffic_coverage",
    "precision_at_1",
    "recall_at_5",
    "ndcg",
)
PARTS = (("support", "head"), ("support", "tail"), ("brand", "with a brand"), ("length", "1 to 5 characters"))


def row(variant: str, locale: str, metric: str, value: float | None, split: str = "test") -> Row:
    return Row(variant, locale, split, metric, value, 1200)


def rows() -> list[Row]:
    rows = [
        row(variant, locale, metric, None if (variant, locale) == ("majority", "pl-PL") else 0.1 * place + 0.01 * store)
        for place, variant in enumerate(VARIANTS)
        for store, locale in enumerate(["all", *LOCALES])
        for metric in ("micro_recall", "micro_precision")
    ]
    rows += [row(CANDIDATE, "all", "type_coverage", 0.8125), row(CANDIDATE, "all", "macro_recall", 0.4321)]
    rows += [row(CANDIDATE, "all", "micro_recall", 0.3339, split) for split in FORWARD_AND_JUDGED]
    rows += [
        row(variant, "all", metric, 0.7)
        for variant in (CANDIDATE, "champion")
        for metric in ("precision_at_1", "recall_at_5", "ndcg")
    ]
    return rows


def slice_of(
    variant: str, dimension: str, name: str, recall: float, change: float | None, split: str = "test"
) -> Slice:
    low, high = (None, None) if change is None else (change - 0.02, change + 0.02)
    return Slice(variant, split, dimension, name, recall, recall - 0.03, recall + 0.03, 900, change, low, high)


def slices() -> Slices:
    found = [
        slice_of(variant, dimension, name, 0.5 + 0.05 * place, change if variant == CANDIDATE else None)
        for variant in (CANDIDATE, "champion")
        for place, (dimension, name, change) in enumerate(
            [
                ("all", "all", 0.03),
                *(("locale", locale, 0.05 * index - 0.08) for index, locale in enumerate(LOCALES)),
                *((dimension, name, 0.001) for dimension, name in PARTS),
            ]
        )
    ]
    found += [slice_of(CANDIDATE, "all", "all", 0.6, -0.001, "forward")]
    found += [slice_of(CANDIDATE, "seen", name, 0.6, 0.04, "forward") for name in ("seen in training", "not seen")]
    cells = [
        Cell(CANDIDATE, locale, dimension, name, None if locale == "pl-PL" else 0.1 * store + 0.2 * part, 20 * store)
        for store, locale in enumerate(LOCALES)
        for part, (dimension, name) in enumerate(PARTS)
    ]
    gap = Parity("en-US", 0.8, HOSTILE, 0.2, 0.6, 0.5, 0.7, -0.05, -0.08, -0.02)
    return Slices(0.95, tuple(found), tuple(cells), {CANDIDATE: gap, "champion": None})


def mistakes() -> Mistakes:
    worst = WorstType("BOOTS", 0.1, None, 40, (Query(HOSTILE_QUERY, "en-US"), Query("गर्म जूते", "de-DE")), (HOSTILE,))
    sure = [
        SureMistake(f"query {number}", "pl-PL", f"TYPE {number}", 0.99 - number / 100, ("BOOTS",))
        for number in range(5)
    ]
    return Mistakes((worst,), (SureMistake(HOSTILE_QUERY, HOSTILE, HOSTILE, 0.999, (HOSTILE,)), *sure))


def card() -> ModelCard:
    one = VariantCard(1, 213, 32, {"encoder": {"name": HOSTILE, "layers": 2}}, "0123456789abcdef", 0.41, 1, 38, 2)
    return ModelCard({"train": 19_823, "test": 5_875}, {CANDIDATE: one})


def differences() -> tuple[Difference, ...]:
    return (
        Difference(CANDIDATE, "champion", "test", "all", "micro_recall", -0.4, -0.42, -0.38),
        Difference(CANDIDATE, "majority", "test", "all", "micro_recall", 9.0, 9.0, 9.0),
    )


def calibration() -> tuple[Calibration, ...]:
    bins = (Bin(0.1, 0.05), Bin(None, None), Bin(0.9, 0.7))
    return (Calibration(CANDIDATE, Reliability(0.12, bins)), Calibration("champion", Reliability(None, ())))


def intervals() -> tuple[FigureInterval, ...]:
    whole = [
        FigureInterval(CANDIDATE, split, "all", metric, 0.123, 0.456)
        for split, metric in (("test", "micro_recall"), ("test", "macro_recall"), ("forward", "micro_recall"))
    ]
    return (
        *whole,
        FigureInterval(CANDIDATE, "test", "all", "micro_precision", 0.211, 0.222),
        FigureInterval(CANDIDATE, "judgements", "all", "micro_recall", 0.066, 0.777),
        FigureInterval(CANDIDATE, "test", "all", "ndcg", 0.611, 0.722),
        FigureInterval(CANDIDATE, "test", "pl-PL", "micro_recall", 0.288, 0.299),
        FigureInterval("champion", "test", "all", "micro_recall", 0.588, 0.612),
    )


def inputs(models: tuple[Model, ...] = ()) -> Inputs:
    figures = {"gain": 0.01234, "floor": None, HOSTILE: HOSTILE, "stores": ["en-US", HOSTILE], "enough": True}
    return Inputs(
        summary=Summary(
            0.8,
            tuple(rows()),
            models,
            {"version": "v7", "hash": "abc"},
            Judged(200, 12, 3, (HOSTILE,)),
            differences(),
        ),
        intervals=intervals(),
        calibration=calibration(),
        curves=tuple(CurvePoint(v, r / 10, 1 - r / 20) for v in VARIANTS for r in range(11)),
        stores=tuple(
            StoreRecall(v, locale, 0.2, 10**n) for v in VARIANTS for n, locale in enumerate(reversed(LOCALES))
        ),
        slices=slices(),
        mistakes={CANDIDATE: mistakes()},
        card=card(),
        window=Window(date(2026, 6, 23), date(2026, 6, 30)),
        decision=Decision(
            False,
            CANDIDATE,
            {"version": "v7", "hash": "abc"},
            f"Refused: {HOSTILE}",
            (
                Rule("gain", False, "The gain is below the margin.", figures, "block"),
                Rule("floor", True, "Every store keeps its floor.", {}, "block"),
                Rule("drift", False, "One store moved.", {}, "warning"),
            ),
        ),
        validation=Validation("All expectations hold.", {"events": TableRows(1_000_000, 999_990, 10)}),
    )


def first_run() -> Inputs:
    """Neither champion nor figures."""
    return Inputs(
        summary=Summary(0.8, (), (), None),
        intervals=(),
        calibration=(),
        curves=(),
        stores=(),
        slices=Slices(0.95, (), (), {}),
        mistakes={},
        card=ModelCard({}, {}),
        window=Window(date(2026, 6, 23), date(2026, 6, 30)),
        decision=Decision(True, CANDIDATE, None, "First model.", ()),
        validation=Validation("Good.", {}),
    )


STORES = tuple(f"s{number:02}-ST" for number in range(20))
_DIVISIONS = {"support": 3, "store": 3, "length": 4, "script": 6, "meaning": 2, "brand": 2}


def large_shop() -> Inputs:
    """Twenty stores, every variant with a figure and an interval wherever the evaluation gives one."""
    parts = [(name, f"part {number} of {name}") for name, size in _DIVISIONS.items() for number in range(size)]
    figures = [
        row(variant, locale, metric, 0.123456789 + 0.1 * place)
        for place, variant in enumerate(VARIANTS)
        for locale in ("all", *STORES)
        for metric in _METRICS
    ]
    figures += [row(variant, "all", "micro_recall", 0.4, split) for variant in VARIANTS for split in FORWARD_AND_JUDGED]
    slices_of = [("all", "all"), *(("locale", store) for store in STORES), *parts]
    rows_of_slices = [slice_of(variant, *part, 0.612345, 0.01) for variant in VARIANTS for part in slices_of]
    rows_of_slices += [
        slice_of(variant, *part, 0.612345, 0.01, "forward")
        for variant in VARIANTS
        for part in (("all", "all"), ("seen", "seen in training"), ("seen", "not seen"))
    ]
    cells = [Cell(CANDIDATE, store, *part, 0.712345, 400) for store in STORES for part in parts]
    queries = tuple(Query(f"a query of some words {number}", STORES[0]) for number in range(3))
    types = tuple(WorstType(f"SOME_PRODUCT_TYPE_{n}", 0.1, 0.5, 40, queries, ("OTHER_TYPE",) * 3) for n in range(25))
    sure = tuple(SureMistake(f"a query {n}", STORES[0], "SOME_TYPE", 0.98, ("OTHER_TYPE",)) for n in range(25))
    bins = tuple(Bin(place / 15, place / 16) for place in range(15))
    known = inputs()
    return replace(
        known,
        summary=replace(known.summary, rows=tuple(figures)),
        intervals=tuple(
            FigureInterval(one.variant, one.split, one.locale, one.metric, 0.111, 0.222) for one in figures
        ),
        calibration=tuple(Calibration(variant, Reliability(0.1, bins)) for variant in VARIANTS),
        curves=tuple(CurvePoint(variant, n / 200, 1 - n / 400) for variant in VARIANTS for n in range(200)),
        stores=tuple(StoreRecall(variant, store, 0.4, 1234) for variant in VARIANTS for store in STORES),
        slices=replace(known.slices, rows=tuple(rows_of_slices), cells=tuple(cells)),
        mistakes={CANDIDATE: Mistakes(types, sure)},
    )
