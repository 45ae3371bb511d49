"""Something that reads from outside, with what it may be given and a check that raises where it breaks.

To break is to raise what is no error of ours, as the command line shows a traceback for it, or not to end.
"""

import contextlib
import copy
import gzip
import io
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from checkpoints import random_checkpoint
from fuzzing.strategies import (
    CSV_PIECES,
    DAY,
    ENCODABLE,
    EVENT_VALUES,
    JSON,
    JUDGEMENT_VALUES,
    NASTY,
    TEXTS,
    changed,
    damaged,
    tables,
)
from hypothesis import strategies as st
from ruamel.yaml import YAML

from q2pt_tasks import cli
from q2pt_tasks.check_params import SECTIONS, check_params
from q2pt_tasks.data.judgements import JUDGEMENTS, read_judgements
from q2pt_tasks.data.privacy import PrivacyParams
from q2pt_tasks.data.schema import CATALOG, EVENTS
from q2pt_tasks.engine import write_table
from q2pt_tasks.inside import read_listing
from q2pt_tasks.layout import Layout, catalog_file
from q2pt_tasks.model.champion import parse_champion
from q2pt_tasks.model.checkpoint import load_checkpoint
from q2pt_tasks.model.metadata import load_metadata
from q2pt_tasks.orchestration.form import read_form
from q2pt_tasks.orchestration.lock import read_lock
from q2pt_tasks.orchestration.settings import read_rendering, read_settings
from q2pt_tasks.params import read_section
from q2pt_tasks.registry.named import outputs_of
from q2pt_tasks.serving.input_files import check_rows, describe, list_input
from q2pt_tasks.serving.manifest import InputFile, from_json, plan, to_json
from q2pt_tasks.sources.encoder_files import read_encoder_manifest
from q2pt_tasks.sources.events import EventsParams, list_event_files, newest_day, read_batches
from q2pt_tasks.sources.judgements import read_judged_rows, write_judgements_manifest
from q2pt_tasks.sources.manifest import SourceError, read_manifest
from q2pt_tasks.stages import label, validate

_PACKAGE = "q2pt_tasks."


@dataclass(frozen=True)
class Target:
    """Something that reads.

    Attributes:
        name: for people.
        given: what it is given.
        check: calls it.
        examples: of the fast tests; fewer where one takes a second.
    """

    name: str
    given: st.SearchStrategy[Any]
    check: Callable[[Any], None]
    examples: int = 25


@contextlib.contextmanager
def own_errors() -> Iterator[None]:
    """Lets errors of ours pass, as sentences for people; any other comes out."""
    try:
        yield
    except Exception as error:
        if not type(error).__module__.startswith(_PACKAGE):
            raise
        # They must be sentences that can be printed anywhere.
        str(error).encode()


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)
