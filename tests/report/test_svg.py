import pytest

from q2pt_tasks.report.svg import without_styles

ROOT = '<style type="text/css">*{stroke-linejoin: round; stroke-linecap: butt}</style>'


def test_styles_become_attributes_and_those_of_all_elements_go_to_the_root() -> None:
    drawing = f'<svg width="1"><defs>{ROOT}</defs><path style="fill: none; stroke: #0072b2" d="M0 0"/></svg>'
    assert without_styles(drawing) == (
        '<svg stroke-linejoin="round" stroke-linecap="butt" width="1"><defs></defs>'
        '<path fill="none" stroke="#0072b2" d="M0 0"/></svg>'
    )


def test_text_that_looks_like_a_style_stays_text() -> None:
    drawing = '<svg><text style="font-size: 9px"> style="fill: red"</text></svg>'
    assert without_styles(drawing) == '<svg><text font-size="9px"> style="fill: red"</text></svg>'


def test_a_style_sheet_of_another_form_is_refused() -> None:
    with pytest.raises(ValueError, match="style sheet of a form that is not known"):
        without_styles("<svg><style>path{fill: red}</style></svg>")
