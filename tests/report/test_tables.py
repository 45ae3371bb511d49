from dataclasses import replace

import pytest

from q2pt_tasks.report.evidence import FigureInterval, Slice
from q2pt_tasks.report.marks import Bar
from q2pt_tasks.report.tables import (
    Figure,
    Model,
    Row,
    Scores,
    StoreRecall,
    coverage_rows,
    headline_rows,
    in_order,
    locale_rows,
    locales_in_order,
    ranking_rows,
    training_rows_of,
    training_table,
)


def recall(variant: str, locale: str, value: float | None, n: int = 100) -> Row:
    return Row(variant, locale, "test", "micro_recall", value, n)


def test_known_variants_come_first_and_in_their_order() -> None:
    assert in_order(["zz", "champion", "aa", "non_unified", "champion"]) == ("non_unified", "champion", "aa", "zz")


def test_a_figure_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="2 rows for 1 figures"):
        Scores([recall("majority", "all", 0.1), recall("majority", "all", 0.2)])


def test_the_champions_window_does_not_count_as_training_rows() -> None:
    stores = [
        StoreRecall("champion", "pl-PL", 0.1, 9_999),
        StoreRecall("non_unified", "pl-PL", 0.1, 50),
        StoreRecall("non_unified", "en-US", 0.1, 800),
        StoreRecall("non_unified", "all", 0.1, 850),
    ]
    assert list(training_rows_of(stores).items()) == [("en-US", 800), ("pl-PL", 50)]


def test_locales_without_a_count_come_last() -> None:
    rows = [recall("majority", locale, 0.1) for locale in ("aa-AA", "all", "pl-PL", "en-US")]
    assert locales_in_order(rows, {"pl-PL": 50, "en-US": 800}) == ("en-US", "pl-PL", "aa-AA")


def test_all_that_share_the_highest_recall_shown_are_best() -> None:
    scores = Scores([recall("a", "pl-PL", 0.5001), recall("b", "pl-PL", 0.5004), recall("c", "pl-PL", 0.1)])
    (row,) = locale_rows(scores, ["a", "b", "c", "d"], {"pl-PL": None})
    assert [cell.best for cell in row.cells] == [True, True, False, False]


def test_no_variant_is_best_where_recall_is_not_defined() -> None:
    (row,) = locale_rows(Scores([recall("a", "pl-PL", None)]), ["a", "b"], {"pl-PL": 3})
    assert not any(cell.best for cell in row.cells)


def test_the_headline_keeps_test_and_forward_apart() -> None:
    forward = Row("a", "all", "forward_seen", "micro_recall", 0.9, 10)
    whole = FigureInterval("a", "test", "all", "micro_recall", 0.35, 0.45)
    intervals = (replace(whole, split="forward"), replace(whole, locale="de-DE", low=0.0), whole)
    seen = Slice("a", "forward", "seen", "seen in training", 0.9, 0.8, 0.95, 10, None, None, None)
    slices = (replace(seen, dimension="length", low=0.0), replace(seen, variant="b", low=0.0), seen)
    (row,) = headline_rows(Scores([recall("a", "all", 0.4), forward], intervals), ["a"], slices)
    assert (row.micro_recall, row.bar) == (Figure(0.4, 0.35, 0.45), Bar(0, 40, 35, 45, None))
    assert (row.forward_seen, row.forward_unseen) == (Figure(0.9, 0.8, 0.95), Figure(None, None, None))
    assert row.forward == Figure(None, 0.35, 0.45)


def test_a_cell_of_a_locale_has_its_own_interval() -> None:
    interval = FigureInterval("a", "test", "pl-PL", "micro_recall", 0.3, 0.5)
    (row,) = locale_rows(Scores([recall("a", "pl-PL", 0.4)], [interval]), ["a"], {"pl-PL": 3})
    assert (row.cells[0].recall, row.cells[0].precision) == (Figure(0.4, 0.3, 0.5), Figure(None, None, None))


def test_a_variant_without_rank_figures_has_no_row_of_them() -> None:
    rows = [Row("a", "all", "test", metric, 0.5, 9) for metric in ("precision_at_1", "recall_at_5", "ndcg")]
    (row,) = ranking_rows(Scores([*rows, recall("b", "all", 0.4)]), ["a", "b"])
    assert (row.variant, row.precision_at_1, row.ndcg) == ("a", Figure(0.5, None, None), Figure(0.5, None, None))


def test_training_is_summed_by_variant() -> None:
    models = [
        Model("non_unified", "en-US", "trained", "", 800, 4, 10.0),
        Model("non_unified", "pl-PL", "degenerate", "one type for all queries", 50, 2, 1.5),
    ]
    (row,) = training_table(models)
    assert (row.trained, row.models, row.training_rows, row.epochs, row.seconds) == (1, 2, 850, "2 to 4", 11.5)


def test_coverage_leaves_out_locales_without_macro() -> None:
    scores = Scores([recall("a", "pl-PL", 0.4), Row("a", "all", "test", "type_coverage", 0.8125, 192)])
    (row,) = coverage_rows(scores, ["a"], ["all", "pl-PL"])
    assert (row.locale, row.type_coverage, row.traffic_coverage) == ("all", "0.812", "–")
