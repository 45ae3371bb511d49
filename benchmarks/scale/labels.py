"""Labelled queries of a chosen number, as the stage `label` leaves them: to measure what the stages after it hold."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.scale.log import SEED
from q2pt_tasks.data.labels import LABELS
from q2pt_tasks.engine.tables import write_table
from q2pt_tasks.layout import Layout
from q2pt_tasks.model.encoder import SCRATCH
from q2pt_tasks.params_edit import edit_params
from q2pt_tasks.sources.resolve import resolve
from q2pt_tasks.sources.synthetic.source import STORE_SIZES
from q2pt_tasks.stages import encoder

TYPES = 1000
WORDS = 30_000
FORWARD_SHARE = 0.1


def make_labels(folder: Path, queries: int, params_file: Path) -> int:
    """Writes labelled queries of the synthetic stores' sizes, and params, to `folder`; returns how many.

    They are fewer than `queries` by those that were drawn twice in a store. Stores draw from the same words, so that
    some queries are in several of them; five in a hundred have two types.
    """
    shutil.rmtree(folder, ignore_errors=True)
    layout = Layout(folder)
    random = np.random.default_rng(SEED)
    words, made = _words(random), 0
    for locale, size in STORE_SIZES.items():
        texts = _texts(random, words, round(queries * size / sum(STORE_SIZES.values())))
        made += len(texts)
        for period, share in (("history", 1.0), ("forward", FORWARD_SHARE)):
            own = texts.filter(pa.array(random.random(len(texts)) < share))
            write_table(_labelled(random, own), layout.labeled / period / f"locale={locale}.parquet")
    shutil.copy(params_file, layout.params)
    edit_params(layout.params, {"encoder.name": SCRATCH})
    resolve(layout)
    encoder.main(layout)
    return made


def _words(random: np.random.Generator) -> pa.Array:
    letters = random.choice(list("abcdefghijklmnopqrstuvwxyz"), (WORDS, 9))
    lengths = random.integers(3, 10, WORDS)
    return pa.array(["".join(row[:length]) for row, length in zip(letters, lengths, strict=True)])


def _texts(random: np.random.Generator, words: pa.Array, count: int) -> pa.Array:
    """Different queries of two or three words, the frequent words in many of them, sorted."""
    drawn = [words.take(pa.array((random.random(count) ** 3 * WORDS).astype(np.int64))) for _ in range(3)]
    drawn[2] = pc.if_else(pa.array(random.random(count) < 0.6), drawn[2], "")
    texts = pc.utf8_trim(pc.binary_join_element_wise(*drawn, " "), " ")
    distinct = texts.unique()
    return distinct.take(pc.sort_indices(distinct))


def _labelled(random: np.random.Generator, texts: pa.Array) -> pa.Table:
    count = len(texts)
    lengths = 1 + (random.random(count) < 0.05)
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    first = (random.random(count) ** 2 * TYPES).astype(np.int64)
    types = np.repeat(first, lengths)
    # The second of two is the next one, so that no query names a type twice.
    types[np.cumsum(lengths)[lengths == 2] - 1] += 1
    names = pa.array([f"TYPE_{number:04}" for number in range(TYPES + 1)])
    return pa.table(
        {
            "query": texts,
            "product_types": pa.ListArray.from_arrays(offsets, names.take(pa.array(types))),
            "shares": pa.ListArray.from_arrays(offsets, pa.array(np.repeat(1 / lengths, lengths))),
            "clicks": 5 + (random.pareto(1.2, count) * 5).astype(np.int64),
        },
        schema=LABELS,
    )
