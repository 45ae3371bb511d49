"""Addresses in params: they are committed and shown, so they name places and never tell what opens them."""

import re

from q2pt_tasks.sources.manifest import SourceError

# A user is none of S3's, but an account or container elsewhere, as in abfss://container@account.dfs.core.windows.net/log.
_S3 = r"s3[an]?://[^/:@?]*"
_OTHER = r"(?!s3[an]?:)[a-z][a-z0-9+.-]*://(?:[^/:@?]+@)?[^/:@?]*(?::[0-9]+)?"
_HARMLESS = re.compile(rf"(?:{_S3}|{_OTHER})(?:/[^?]*)?", re.IGNORECASE | re.DOTALL)


def check_place(key: str, place: str) -> None:
    """Refuses a URL with a password, with `?` and what may follow, or of S3 with a user; a path may be any.

    Args:
        key: of the param, for people.
        place: what it says, which is not repeated.

    Raises:
        SourceError: it has one of them.
    """
    if "://" in place and not _HARMLESS.fullmatch(place):
        raise SourceError(
            f"{key} is an address with a user, a password or a query, or none at all: params are committed, so name "
            "the place alone, such as s3://bucket/folder, and leave credentials to the environment"
        )
