"""All that reads from outside."""

from fuzzing import documents, settings, tables
from fuzzing.target import Target

TARGETS: tuple[Target, ...] = (*tables.TARGETS, *settings.TARGETS, *documents.TARGETS)
