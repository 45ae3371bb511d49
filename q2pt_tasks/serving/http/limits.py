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
        requests: that are under way. With a small network, reading one takes as long as scoring it, and more would wait
            before anybody has counted their questions.
        waiting: questions that are waiting or being answered, of all requests together.
        together: questions that are scored at once.
    """

    body_bytes: int = 4 * 2**20
    requests: int = 512
    waiting: int = 2048
    together: int = 32

    def __post_init__(self) -> None:
        if self.waiting < QUESTIONS:
            raise ValueError(f"waiting is at least {QUESTIONS}, as many as one request may ask, found {self.waiting}")
        for name in ("requests", "together"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is 1 or more, found {getattr(self, name)}")
