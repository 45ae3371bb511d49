"""The task of the rollback DAG: production serves an earlier release again."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from q2pt_tasks.orchestration.settings import Settings
from q2pt_tasks.registry.promotion import roll_back
from q2pt_tasks.registry.repository import open_registry


def run(settings: Settings, request: Mapping[str, Any]) -> dict[str, Any]:
    """The child process of the task.

    Args:
        settings: where the registry is.
        request: `version`, None for the release that served before; `why`; `by`.

    Raises:
        RegistryError: there is no such version.
        PromotionRefusedError, StoreError, GoldenAnswerError, GitError: as `roll_back` does.
    """
    with open_registry(settings.git_remote) as registry:
        return asdict(roll_back(registry, request["version"], request["by"], request["why"], datetime.now(UTC)))
