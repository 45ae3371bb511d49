"""The list of what retention has removed, which only grows: lines of JSON on a branch of the registry."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import ConfigDict, TypeAdapter, ValidationError

from q2pt_tasks.registry.tags import RegistryError

EXPIRED = "expired"
EXPIRED_FILE = "expired.jsonl"


@dataclass(frozen=True)
class Gone:
    """An output that retention has removed from the stores.

    Attributes:
        day: when, ISO 8601, in UTC.
        md5: DVC's hash of it.
        path: what it was.
        of: the release, branch or tag that names it.
        why: the rule, such as `retention_days 30`.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    day: str
    md5: str
    path: str
    of: str
    why: str

    def sentence(self) -> str:
        return f"{self.path} ({self.md5}) of {self.of} expired on {self.day} by {self.why}"


_GONE = TypeAdapter(Gone)


def parse_expired(text: str) -> list[Gone]:
    """The list of a registry, the oldest first.

    Raises:
        RegistryError: a line of it says something else.
    """
    try:
        return [_GONE.validate_json(line) for line in text.splitlines()]
    except ValidationError as error:
        raise RegistryError(
            f"{EXPIRED_FILE} on the branch {EXPIRED} was changed by hand ({error.errors()[0]['msg']}): bring back an "
            "earlier commit of it"
        ) from None


def to_text(gone: Sequence[Gone]) -> str:
    return "".join(f"{json.dumps(_GONE.dump_python(one), ensure_ascii=False)}\n" for one in gone)


def about(gone: Iterable[Gone], hashes: Iterable[str]) -> list[Gone]:
    """What is known of these hashes; of one that expired more than once the last time."""
    newest: Mapping[str, Gone] = {one.md5: one for one in gone}
    return [newest[md5] for md5 in dict.fromkeys(hashes) if md5 in newest]
