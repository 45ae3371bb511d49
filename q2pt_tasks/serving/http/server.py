"""`q2pt serve`: loads the release, then listens until it is told to stop."""

import gc
import logging
import os
import resource
import signal
import socket
import sys
from dataclasses import dataclass, replace

import uvicorn

from q2pt_tasks.serving.http.app import create_app
from q2pt_tasks.serving.http.connection import connections_to
from q2pt_tasks.serving.http.limits import Limits
from q2pt_tasks.serving.http.listening import Server
from q2pt_tasks.serving.http.loaded import LoadedRelease
from q2pt_tasks.serving.http.releases import Releases
from q2pt_tasks.serving.http.service import Service
from q2pt_tasks.serving.http.watcher import Watcher

# What is being answered when it is told to stop gets this long.
_GRACE_SECONDS = 30
# The thread that scores gives Python's lock away with every product of matrices, and would wait five milliseconds to
# have it back while requests are being read: a fifth of all answers.
_SWITCH_SECONDS = 0.0005
_ALL_ADDRESSES = "0.0.0.0"  # noqa: S104 - what an operator gave is told from others, nothing is bound to it here
# Connections that wait to be taken while the process is busy.
_BACKLOG = 4096
# Longer than the minute after which balancers and pools of clients let go of an idle connection by themselves: whoever
# closes first can meet a request that is on its way, which is then lost.
_KEEP_ALIVE_SECONDS = 75
# For a release's files, for what Python and torch have open, and for connections that are being opened or cut.
_OTHER_FILES = 512

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """Where to listen, and how often to look for another release."""

    host: str = "127.0.0.1"
    port: int = 8080
    poll_seconds: float = 5.0


class AddressError(ValueError):
    """The address cannot be had."""


def serve(releases: Releases, place: Place, limits: Limits) -> str:
    """Serves until SIGTERM or SIGINT, after which every request that was taken is still answered.

    Raises:
        CheckpointError: the first release cannot be loaded.
        AddressError: the address cannot be had.
    """
    # Scoring has the cores; a request's few texts are not worth threads of their own.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    sys.setswitchinterval(_SWITCH_SECONDS)
    limits = replace(limits, connections=_room_for(limits.connections))
    service = Service(LoadedRelease.load(releases.current()), limits)
    watcher = Watcher(releases, service, place.poll_seconds)
    config = uvicorn.Config(
        create_app(service, watcher),
        host=place.host,
        port=place.port,
        loop="uvloop",
        http=connections_to(service),
        ws="none",
        log_config=None,
        # What hostile clients send fills no disk.
        log_level="error",
        # Queries are nobody's business.
        access_log=False,
        server_header=False,
        # Who asks is of no interest.
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    listening = _listen(place)
    server = Server(config, listening)
    log.info("release %s serves; its page: %s", service.loaded.release.version, _page(listening))
    # uvicorn sends itself the signal again when it is done: being stopped is no failure.
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, lambda *_: None)
    # What is loaded stays. Each time that the collector looked through it, nobody was answered for a tenth of a second.
    gc.freeze()
    server.run()
    return "stopped; all requests were answered"


def _room_for(connections: int) -> int:
    """As many connections as this, or as the system allows: each is an open file."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _OTHER_FILES
    files = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))
    room = max(files - _OTHER_FILES, 1)
    if room < connections:
        log.warning("%d connections at most: the system allows this process %d files (ulimit -n)", room, files)
    return room


def _listen(place: Place) -> socket.socket:
    try:
        return socket.create_server((place.host, place.port), backlog=_BACKLOG)
    except OSError as error:
        raise AddressError(
            f"{place.host}:{place.port} cannot be listened on ({os.strerror(error.errno or 0)}): give another --port "
            "or --host"
        ) from error


def _page(listening: socket.socket) -> str:
    """The address of the page for a browser on this machine."""
    host, port = listening.getsockname()
    return f"http://{'127.0.0.1' if host == _ALL_ADDRESSES else host}:{port}/"
