"""How many requests are under way, in one process."""

from collections.abc import Collection


class Crowd:
    """The requests that a server has taken and not answered.

    Attributes:
        tasks: of the server, one for each; none before it runs.
        reading: how many of them have not come as a whole. Slow clients take no place of others.
    """

    def __init__(self, most: int) -> None:
        """`most` of them may be under way."""
        self._most = most
        self.tasks: Collection[object] = ()
        self.reading = 0

    @property
    def is_full(self) -> bool:
        """Whether a request would be refused."""
        return len(self.tasks) - self.reading > self._most
