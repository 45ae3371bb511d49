"""A shop's own log on S3: `resolve` lands new objects as files, and the stages read only those.

An object is fetched once, and again only when it has been replaced: a night fetches a day, not a window.
"""

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from q2pt_tasks.sources.addresses import check_place
from q2pt_tasks.sources.error_text import said
from q2pt_tasks.sources.events import ENDINGS, EventsParams, check_ending
from q2pt_tasks.sources.landing import CATALOG_NAME, IDENTITY, UNFINISHED, land_file, landing_folder, sweep
from q2pt_tasks.sources.manifest import SourceError

_SCHEME = "s3://"
# A key may have a name of 1,024 bytes, a file mostly of 255.
_NAME_CHARS = 200
# Without these an address where nothing answers would hold `resolve` up for minutes.
_PATIENCE = {"connect_timeout": 10, "read_timeout": 60, "retries": {"max_attempts": 3}}


def is_on_s3(params: EventsParams) -> bool:
    """Whether the log is there; then its catalog must be as well.

    Raises:
        SourceError: one of them is, and the other is not; or a param holds a password.
    """
    check_place("ingest.events.path", params.path)
    check_place("ingest.events.catalog", params.catalog)
    places = {params.path.startswith(_SCHEME), params.catalog.startswith(_SCHEME)}
    if len(places) == 2:
        raise SourceError(
            f"ingest.events.path is {params.path} and ingest.events.catalog is {params.catalog}: "
            "give both on S3, or both on disk"
        )
    return places.pop()


def endpoint() -> str | None:
    """The URL of a store of one's own, as AWS's programs take it from the environment."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None


def land_objects(params: EventsParams, root: Path) -> list[Path]:
    """Fetches the log's objects and the catalog to `params.landing`, those that are not there yet; returns all files.

    Landed files that no night has used for a week are removed.

    Raises:
        SourceError: S3 cannot be read, or there is no log, or no catalog.
    """
    folder = landing_folder(root, params.landing)
    with _s3(params.path) as store:
        log, catalog = list_log(store, params.path), _list(store, params.catalog)
        if len(catalog) != 1:
            raise SourceError(f"{params.catalog} is not one object: correct ingest.events.catalog")
        files = [fetch(store, key, tag, folder, PurePosixPath(key).name) for key, tag in log.items()]
        files += [fetch(store, key, tag, folder, f"{CATALOG_NAME}{_ending(key)}") for key, tag in catalog.items()]
    sweep(folder)
    return files


def list_log(store: Any, url: str) -> dict[str, str]:  # noqa: ANN401 - of s3fs, which has no types
    """Objects with their tags; hidden ones and markers such as `_SUCCESS` are not part of a log."""
    prefix = _key(url)
    objects = {}
    for key, tag in _list(store, url).items():
        parts = PurePosixPath(key.removeprefix(prefix)).parts
        if not any(part.startswith((".", "_")) for part in parts):
            check_ending(Path(PurePosixPath(key).name))
            objects[key] = tag
    if not objects:
        raise SourceError(f"{url} holds no event files ({', '.join(ENDINGS)}): correct ingest.events.path")
    return objects


def _list(store: Any, url: str) -> dict[str, str]:  # noqa: ANN401
    found = store.find(_key(url), detail=True)
    return {key: str(about["ETag"]) for key, about in sorted(found.items()) if not key.endswith("/")}


def _key(url: str) -> str:
    return url.removeprefix(_SCHEME).rstrip("/")


def _ending(key: str) -> str:
    check_ending(Path(PurePosixPath(key).name))
    return next(ending for ending in ENDINGS if key.lower().endswith(ending))


def fetch(store: Any, key: str, tag: str, folder: Path, name: str) -> Path:  # noqa: ANN401
    """The object `key` as a file below `folder` whose name ends as `name` does."""
    identity = hashlib.sha256(f"{key}\n{tag}".encode()).hexdigest()[:IDENTITY]
    target = folder / f"{identity}-{re.sub(r'[^A-Za-z0-9._=-]', '_', name)[-_NAME_CHARS:]}"
    if target.exists():
        target.touch()
        return target
    with tempfile.TemporaryDirectory(dir=folder, prefix=UNFINISHED) as unfinished:
        file = Path(unfinished) / "object"
        store.get_file(key, str(file))
        # Under the name of the object that was listed, another content would stay.
        if str(store.info(key, refresh=True)["ETag"]) != tag:
            raise SourceError(f"{_SCHEME}{key} was replaced while it was fetched: run this again")
        return land_file(file, target)


@contextmanager
def _s3(url: str) -> Iterator[Any]:
    import s3fs  # half a second that only a log on S3 pays
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield s3fs.S3FileSystem(config_kwargs=_PATIENCE, use_listings_cache=False, skip_instance_cache=True)
    except (OSError, BotoCoreError, ClientError) as error:
        raise SourceError(
            f"{url} cannot be read ({type(error).__name__}: {said(str(error))}): "
            "check ingest.events, AWS_ENDPOINT_URL and the credentials"
        ) from None
