"""Tells a full disk from a defect, whichever library was writing."""

import errno
import os

_FULL = (errno.ENOSPC, errno.EDQUOT)
# DuckDB asks for the room in its temporary directory before it writes there, and names this setting.
_IN_WORDS = (*(os.strerror(code) for code in _FULL), "max_temp_directory_size")


def is_disk_full(error: BaseException) -> bool:
    """Whether an error, or one that it came from, says that no space or no quota is left.

    Libraries that write by themselves (DuckDB, safetensors, tokenizers) have the system's words in their own errors.
    """
    found: BaseException | None = error
    while found is not None:
        if (isinstance(found, OSError) and found.errno in _FULL) or any(words in str(found) for words in _IN_WORDS):
            return True
        found = found.__cause__ or found.__context__
    return False
