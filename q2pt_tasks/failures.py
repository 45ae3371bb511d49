"""What went wrong, in words for people: errors of our own and a full disk; any other error is a defect."""

import errno
import os

_FULL = (errno.ENOSPC, errno.EDQUOT)
# DuckDB asks for the room in its temporary directory before it writes there, and names this setting.
_WORDS = (*(os.strerror(code) for code in _FULL), "max_temp_directory_size")
_PACKAGE = __name__.partition(".")[0]


def in_words(error: Exception, make_room: str) -> str | None:
    """What a user, a file, the data or the disk did wrong; None for a defect, which shows where it happened.

    Args:
        error: what a command ended with.
        make_room: what to do where the disk is full.
    """
    if is_disk_full(error):
        return f"the disk is full ({str(error).splitlines()[0]}): {make_room}"
    if type(error).__module__.startswith(f"{_PACKAGE}."):
        return f"{type(error).__name__}: {error}"
    return None


def is_disk_full(error: BaseException) -> bool:
    """Whether an error, or one that it came from, says that no space or no quota is left.

    Libraries that write by themselves (DuckDB, safetensors, tokenizers) have the system's words in their own errors.
    """
    found: BaseException | None = error
    while found is not None:
        if (isinstance(found, OSError) and found.errno in _FULL) or any(words in str(found) for words in _WORDS):
            return True
        found = found.__cause__ or found.__context__
    return False
