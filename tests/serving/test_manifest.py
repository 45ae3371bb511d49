"""The plan of a run, and what tells two runs apart."""

import json
from dataclasses import replace

import pytest

from q2pt_tasks.serving.manifest import InputFile, Manifest, ManifestError, differences, from_json, plan, to_json

FILES = (
    InputFile("a.parquet", 10, "a" * 32, 5),
    InputFile("b.parquet", 10, "b" * 32, 0),
    InputFile("c.parquet", 10, "c" * 32, 4),
)
RUN = plan("0" * 32, 2, FILES)


def test_every_row_is_in_one_part_and_no_part_reaches_over_two_files() -> None:
    parts = [(part.name, part.file, part.first_row, part.end) for part in RUN.parts]
    assert parts == [
        ("part-00000.parquet", "a.parquet", 0, 2),
        ("part-00001.parquet", "a.parquet", 2, 4),
        ("part-00002.parquet", "a.parquet", 4, 5),
        ("part-00003.parquet", "c.parquet", 0, 2),
        ("part-00004.parquet", "c.parquet", 2, 4),
    ]
    assert RUN.rows == 9


def test_what_is_written_is_read() -> None:
    assert from_json(to_json(RUN)) == RUN
    assert differences(RUN, from_json(to_json(RUN))) == []


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (plan("1" * 32, 2, FILES), "the model has the hash 1111"),
        (plan("0" * 32, 3, FILES), "--part-rows is 3, that of the folder 2"),
        (plan("0" * 32, 2, FILES[:2]), "the input file c.parquet is gone"),
        (plan("0" * 32, 2, (*FILES, replace(FILES[0], name="d.parquet"))), "the input file d.parquet is new"),
        (
            plan("0" * 32, 2, (replace(FILES[0], md5="d" * 32, size=11), *FILES[1:])),
            f"a.parquet has 11 bytes with MD5 {'d' * 32}, that of the folder 10 bytes with MD5 {'a' * 32}",
        ),
        (replace(RUN, parts=RUN.parts[:-1]), "the folder's list of parts"),
    ],
)
def test_another_run_is_told_apart_in_words(other: Manifest, words: str) -> None:
    (found,) = differences(RUN, other)
    assert words in found


def test_of_many_differences_the_first_are_shown() -> None:
    others = [replace(FILES[0], name=f"{number}.parquet") for number in range(9)]
    assert differences(RUN, plan("0" * 32, 2, others))[-1] == "and 7 more"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not readable JSON"),
        ("[]", "schema version None, this code reads 1"),
        (json.dumps({**json.loads(to_json(RUN)), "schema_version": 2}), "schema version 2, this code reads 1"),
        (json.dumps({**json.loads(to_json(RUN)), "surprise": 1}), "surprise"),
        (json.dumps({**json.loads(to_json(RUN)), "part_rows": "2"}), "part_rows"),
    ],
)
def test_what_is_no_manifest_is_refused(text: str, words: str) -> None:
    with pytest.raises(ManifestError, match=words):
        from_json(text)
