"""Taking connections, all that wait at once."""

import asyncio
import errno
import logging
import socket

import uvicorn

# In one turn of the loop, and until they are open: between them requests are read and answered.
_TOGETHER = 256
# When the system has no more files or memory for connections, those that wait are asked for again after this.
_PAUSE_SECONDS = 1.0
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

log = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """uvicorn's, which takes all connections that wait in each turn of the loop.

    uvloop by itself takes one in a turn. Where many requests come, a turn is long, and new clients would wait for
    seconds in the system's queue, unread and therefore not even refused.
    """

    def __init__(self, config: uvicorn.Config, listening: socket.socket) -> None:
        super().__init__(config)
        self._listening = listening
        self._opening = set[asyncio.Task[object]]()
        self._pause: asyncio.TimerHandle | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets or [])
        self._listening.setblocking(False)
        self._listen()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._pause:
            self._pause.cancel()
        asyncio.get_running_loop().remove_reader(self._listening)
        self._listening.close()
        if self._opening:
            await asyncio.wait(self._opening)
        await super().shutdown(sockets)

    def _listen(self) -> None:
        asyncio.get_running_loop().add_reader(self._listening, self._take)

    def _take(self) -> None:
        loop = asyncio.get_running_loop()
        # Opening one takes some turns, as does cutting one of too many: taken without end they would need all files.
        for _ in range(_TOGETHER - len(self._opening)):
            try:
                taken, _ = self._listening.accept()
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    # There is none, or what is wrong is that client's alone.
                    return
                log.error("no connection can be taken (%s): the next look is in %g s", error, _PAUSE_SECONDS)
                loop.remove_reader(self._listening)
                self._pause = loop.call_later(_PAUSE_SECONDS, self._listen)
                return
            task = loop.create_task(loop.connect_accepted_socket(self._connection, taken))
            self._opening.add(task)
            task.add_done_callback(self._opened)

    def _opened(self, task: asyncio.Task[object]) -> None:
        self._opening.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("a connection was taken and could not be opened: %s", error)

    def _connection(self) -> asyncio.Protocol:
        made = self.config.http_protocol_class
        return made(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)  # type: ignore[call-arg]
