"""How much the service takes on at once. What is beyond is refused with a message, before it costs anything."""

from dataclasses import dataclass

# What a query may be long; longer ones are no queries of shoppers, and the model reads only their first tokens.
QUERY_CHARACTERS = 500
# Questions of one request.
QUESTIONS = 1000
# Types below their thresholds that are shown on demand.
NEAR_MISSES = 20


@dataclass(frozen=True)
class Limits:
    """What an instance of the service takes on at once.

    Attributes:
        body_bytes: of a request; the largest that is allowed otherwise fits.
        requests: that are under way: eight full batches. With a small network, reading one takes as long as scoring it,
            and what is taken in one turn of the loop is what others wait for until they are refused.
        connections: that are open.
        read_seconds: that a request may take from its first byte to its last.
        waiting: questions that are waiting or being answered, of all requests together.
        together: questions that are scored at once.
    """

    body_bytes: int = 4 * 2**20
    requests: int = 256
    connections: int = 10_000
    read_seconds: float = 30.0
    waiting: int = 2048
    together: int = 32

    def __post_init__(self) -> None:
        if self.waiting < QUESTIONS:
            raise ValueError(f"waiting is at least {QUESTIONS}, as many as one request may ask, found {self.waiting}")
        for name in ("requests", "connections", "together"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is 1 or more, found {getattr(self, name)}")
        if self.read_seconds <= 0:
            raise ValueError(f"read_seconds is above 0, found {self.read_seconds}")
