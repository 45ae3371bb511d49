"""The reader of an exported folder makes of a text what the model was trained on."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from q2pt_tasks.data.queries import normalise_query
from q2pt_tasks.model import text_parts
from q2pt_tasks.serving import ask

# What shoppers type, and what nobody should: signs that fold to several, joiners, halves of a pair.
TEXTS = st.text(max_size=30) | st.text("aßẞﬁİΣςｶﾞ ️‍‌­\u200e١👍🏽한", max_size=20)


@given(TEXTS)
def test_its_normal_form_is_the_models(text: str) -> None:
    assert ask.normalise(text) == normalise_query(text)


@given(st.lists(TEXTS, min_size=1, max_size=3), st.sampled_from(["", "[en-GB]", "[ja-JP]"]), st.integers(1, 7))
def test_its_parts_are_the_models(texts: list[str], store: str, longest: int) -> None:
    queries = [query for query in map(normalise_query, texts) if query]
    typed = text_parts.Typed(queries, [store] * len(queries))
    parts = text_parts.parts_of(typed, longest)
    for query, start, end in zip(queries, parts.offsets, parts.offsets[1:], strict=False):
        assert ask.parts_of(query, longest, store) == parts.values[start:end].tolist()


def test_it_needs_nothing_of_the_package() -> None:
    assert "q2pt_tasks" not in Path(ask.__file__).read_text(encoding="utf-8")
