"""Two releases at once, for the page: the one that serves, and another to compare it with."""

from dataclasses import dataclass

from q2pt_tasks.serving.http.releases import Release, Releases


@dataclass(frozen=True)
class SideBySide:
    """The model that serves as `champion`, and as `challenger` the one that the other release would serve.

    Attributes:
        serving: where the first comes from.
        other: where the second comes from.
    """

    serving: Releases
    other: Releases

    def current(self) -> Release:
        """Both as they are now; the name is of both.

        Raises:
            Whatever either of them does.
        """
        champion, challenger = self.serving.current(), self.other.current()
        return Release(
            f"{champion.version} beside {challenger.version}",
            {
                "champion": champion.models[champion.serving],
                "challenger": challenger.models[challenger.serving],
            },
        )
