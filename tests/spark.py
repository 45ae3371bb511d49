"""What tests on Spark need: PySpark, which is an extra, and Java. They take seconds each, so they are slow ones."""

import importlib.util
import os
import shutil

import pytest

from q2pt_tasks.engine.params import EngineParams

SPARK = EngineParams(name="spark", spark_master="local[2]")
# Sharp s, a ligature, the dotted capital I, full width, a decomposed accent, a final sigma, an emoji with a joiner,
# what is sorted otherwise as UTF-16 than as bytes, and by languages than either.
HARD = [
    "Straße",
    "ﬁlm",
    "İstanbul",
    "ＡＢＣ　１２",
    "cafe\u0301",
    "café",
    "ΣΊΓΑΣ",
    "👩\u200d👧",
    "\U0001f600",
    "\uffee",
    " a\u00ad  b ",
    "a",
    "B",
    "\x00",
    "'\"\\",
    "",
    "x" * 5_000,
]


def _missing() -> str:
    if importlib.util.find_spec("pyspark") is None:
        return "wants PySpark: make spark"
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        return "wants Java 17"
    return ""


needs_spark = [
    pytest.mark.slow,
    # Python speaks with Java through one.
    pytest.mark.enable_socket,
    pytest.mark.skipif(bool(_missing()), reason=_missing()),
]
