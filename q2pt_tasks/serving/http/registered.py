"""The release that a registry's stage or version names, for `q2pt serve --model prod`."""

from pathlib import Path

from q2pt_tasks.registry.opening import OpenedRelease, open_release, serving_version
from q2pt_tasks.registry.tags import read_version
from q2pt_tasks.serving.http.releases import Release, Routes

# A store that no release names.
_NOBODY = "und-ZZ"


class RegisteredReleases:
    """What is promoted; its files are fetched, and compared with their hashes, once for each release.

    Args:
        reference: a stage such as `prod`, which may move, or a version such as `v3`, which stays.
        registry_url: the git repository with the releases.
        folder: where files of releases are kept.
        store_url: where DVC has the files, if not where the release says.
    """

    def __init__(self, reference: str, registry_url: str, folder: Path, store_url: str | None = None) -> None:
        self._reference, self._registry_url, self._folder, self._store_url = reference, registry_url, folder, store_url
        self._last: Release | None = None

    def current(self) -> Release:
        """The release that serves, by one question to the git remote where that has not changed.

        Raises:
            RegistryError, ReleaseError, StoreError, GitError: as `open_release` does.
        """
        version = read_version(self._reference) or serving_version(self._registry_url, self._reference)
        if self._last is None or self._last.version != version:
            self._last = _release(open_release(version, self._registry_url, self._folder, self._store_url))
        return self._last


def _release(opened: OpenedRelease) -> Release:
    by_locale = {locale: opened.checkpoint_of(locale) for locale in opened.locales}
    served = {locale: folder for locale, folder in by_locale.items() if folder is not None}
    return Release(opened.version, {"champion": Routes(served, opened.checkpoint_of(_NOBODY))})
