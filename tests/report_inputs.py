"""All that a report is made of, with a champion, small stores, and names that try to be markup."""

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
    rows += [row(CANDIDATE, "all", "micro_recall", 0.3339, split) for split in ("forward", "forward_seen")]
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
    return tuple(
        FigureInterval(CANDIDATE, split, "all", metric, 0.123, 0.456)
        for split, metric in (("test", "micro_recall"), ("test", "macro_recall"), ("forward", "micro_recall"))
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
