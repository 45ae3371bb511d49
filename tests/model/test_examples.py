import numpy as np
import pyarrow as pa

from q2pt_tasks.model.examples import TOKENS, examples_from_tokens

TABLE = pa.table(
    {
        "locale": ["en-GB", "en-US", "en-GB"],
        "query": ["pants", "shoes", "hat"],
        "token_ids": [[1, 5, 2], [1, 6, 7, 2], [1, 8, 2]],
        "product_types": [["UNDERPANTS", "TROUSERS"], ["SHOES", "BOOTS"], ["HAT", "SCARF", "CAP"]],
        "shares": [[0.6, 0.2], [0.5, 0.5], [0.4, 0.4, 0.1]],
    },
    schema=TOKENS,
)


def test_labels_are_positions_in_the_models_own_label_space() -> None:
    examples = examples_from_tokens(TABLE, ["HAT", "TROUSERS", "UNDERPANTS"], ["en-US", "en-GB"])
    assert [examples.labels.of(row).tolist() for row in range(3)] == [[2, 1], [], [0]]
    assert [examples.tokens.of(row).tolist() for row in range(3)] == [[1, 5, 2], [1, 6, 7, 2], [1, 8, 2]]
    assert examples.locales.tolist() == [1, 0, 1]


def test_shares_are_those_of_the_clicks_on_types_that_the_model_knows() -> None:
    examples = examples_from_tokens(TABLE, ["CAP", "HAT", "TROUSERS", "UNDERPANTS"], ["en-US", "en-GB"])
    assert [examples.labels.of(row).tolist() for row in range(3)] == [[3, 2], [], [1, 0]]
    np.testing.assert_allclose(examples.shares, [0.75, 0.25, 0.8, 0.2], rtol=1e-6)


def test_a_slice_of_a_table_is_read_from_its_own_start() -> None:
    examples = examples_from_tokens(TABLE.slice(1), ["HAT"], ["en-US", "en-GB"])
    assert examples.tokens.of(0).tolist() == [1, 6, 7, 2]
    assert [examples.labels.of(row).tolist() for row in range(2)] == [[], [0]]
    assert examples.shares.tolist() == [1.0]


def test_a_locale_without_rows_gives_no_examples() -> None:
    assert len(examples_from_tokens(TABLE.slice(0, 0), ["HAT"], ["en-US"])) == 0
