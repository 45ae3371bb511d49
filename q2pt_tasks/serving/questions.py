"""What a table of queries asks: every normalised query once per locale, however often it stands there."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from q2pt_tasks.data.queries import normalise_query
from q2pt_tasks.model.examples import Int64Array

QUERY, LOCALE = "query", "locale"


@dataclass(frozen=True)
class Questions:
    """The distinct questions of a table, those of one query beside each other.

    Attributes:
        queries: per question its query, normalised and not blank.
        locales: per question its locale.
        of_row: per row of the table its question; `len(queries)` where the query is missing or blank, which asks
            nothing.
    """

    queries: list[str]
    locales: list[str]
    of_row: Int64Array

    def __len__(self) -> int:
        return len(self.queries)

    @property
    def rows(self) -> Int64Array:
        """How many rows ask each question, and last how many ask nothing, shape (questions + 1,)."""
        return np.bincount(self.of_row, minlength=len(self) + 1)


def distinct_questions(table: pa.Table) -> Questions:
    """The questions of `table`, which has text columns `query`, where values may be missing, and `locale`."""
    texts, text_of_row = encoded(table[QUERY])
    locales, locale_of_row = encoded(table[LOCALE])
    # A missing query has the index -1, which is the last entry.
    normalised = [*map(normalise_query, texts), ""]
    numbers = {query: number for number, query in enumerate(dict.fromkeys(normalised))}
    query_of_row = np.array([numbers[query] for query in normalised])[text_of_row]
    asks = query_of_row != numbers[""]
    keys, question = np.unique((query_of_row * len(locales) + locale_of_row)[asks], return_inverse=True)
    of_row = np.full(len(table), len(keys))
    of_row[asks] = question
    queries = list(numbers)
    pairs = [divmod(key, len(locales)) for key in keys.tolist()]
    return Questions([queries[query] for query, _ in pairs], [locales[locale] for _, locale in pairs], of_row)


def encoded(column: pa.ChunkedArray) -> tuple[list[str], Int64Array]:
    """The distinct texts of a column in the order of their first row, and per row which it is, -1 where none."""
    codes = as_text(column).combine_chunks().dictionary_encode()
    return codes.dictionary.to_pylist(), codes.indices.fill_null(-1).to_numpy().astype(np.int64)


def as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of any kind of text as plain text, whose offsets have room for any number of bytes."""
    return column.cast(pa.large_string())
