from q2pt_tasks.report.evidence import Cell, Slices
from q2pt_tasks.report.heat_map import SHADES, Column, HeatCell, heat_map


def cells(*found: tuple[str, str, float | None, int]) -> Slices:
    rows = []
    for locale, name, recall, positives in found:
        dimension, part = name.split(":")
        rows.append(Cell("aware", locale, dimension, part, recall, positives))
    return Slices(0.95, (), (*rows, Cell("other", "en-US", "length", "long", 1.0, 99)), {})


def test_shades_go_from_the_lowest_to_the_highest_cell() -> None:
    found = heat_map(
        cells(
            ("en-US", "length:short", 0.2, 90), ("en-US", "length:long", 0.6, 29), ("pl-PL", "length:short", 0.41, 30)
        ),
        "aware",
        ["en-US", "pl-PL"],
    )
    assert found.columns == (Column("length", "short", True), Column("length", "long", False))
    first, second = found.rows
    assert first.cells == (HeatCell(0.2, 0, False), HeatCell(0.6, SHADES - 1, True))
    assert second.cells == (HeatCell(0.41, SHADES // 2, False), None)


def test_equal_cells_have_one_shade_and_what_is_not_defined_none() -> None:
    found = heat_map(cells(("en-US", "length:short", 0.5, 90), ("en-US", "script:Han", None, 0)), "aware", ["en-US"])
    assert found.rows[0].cells == (HeatCell(0.5, SHADES - 1, False), None)


def test_what_is_known_of_a_locale_as_a_whole_has_no_column() -> None:
    assert heat_map(cells(("en-US", "store:large stores", 0.5, 90)), "aware", ["en-US"]).columns == ()
