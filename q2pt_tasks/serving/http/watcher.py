"""Looks for a newly promoted release, loads it beside the one that serves, and lets it take its place."""

import asyncio
import logging

from q2pt_tasks.serving.http.loaded import LoadedRelease
from q2pt_tasks.serving.http.releases import Releases
from q2pt_tasks.serving.http.service import Service

log = logging.getLogger(__name__)


class Watcher:
    """Looks every `seconds` whether `releases` has another release for `service`."""

    def __init__(self, releases: Releases, service: Service, seconds: float) -> None:
        self._releases, self._service, self._seconds = releases, service, seconds
        self._last_failure = ""

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            await self.look()

    async def look(self) -> None:
        """Switches where there is another release; where that fails, what serves goes on serving."""
        try:
            release = await asyncio.to_thread(self._releases.current)
            if release.version == self._service.loaded.release.version:
                return
            log.info("release %s is there: loading it", release.version)
            loaded = await asyncio.to_thread(LoadedRelease.load, release)
        except Exception as error:  # whatever is wrong with a new release, the old one answers
            self._note(error)
            return
        self._service.switch(loaded)
        self._last_failure = ""
        log.info("release %s serves", release.version)

    def _note(self, error: Exception) -> None:
        self._service.figures.failed_switches.inc()
        failure = f"{type(error).__name__}: {error}"
        # Once: it is looked for again every few seconds.
        if failure != self._last_failure:
            serving = self._service.loaded.release.version
            log.exception("there is no other release to be had; %s goes on serving", serving)
        self._last_failure = failure
