"""What Prometheus reads of the service."""

import functools

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_QUESTIONS = (1, 2, 4, 8, 16, 32, 64)


class Figures:
    """The counts and times of one service."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "q2pt_requests", "Requests by path and status", ("path", "status"), registry=self._registry
        )
        self.refused = Counter(
            "q2pt_refused_requests",
            "Requests that were refused before they were taken",
            ("status",),
            registry=self._registry,
        )
        self.seconds = Histogram(
            "q2pt_request_seconds", "From a request to its answer", ("path",), buckets=_SECONDS, registry=self._registry
        )
        self.batch_questions = Histogram(
            "q2pt_batch_questions", "Questions that were scored together", buckets=_QUESTIONS, registry=self._registry
        )
        self.batch_seconds = Histogram(
            "q2pt_batch_seconds", "What scoring them took", buckets=_SECONDS, registry=self._registry
        )
        self.waiting = Gauge(
            "q2pt_waiting_questions", "Questions that wait or are being scored", registry=self._registry
        )
        self.unknown_locale = Counter(
            "q2pt_unknown_locale_questions", "Questions of stores that the model does not know", registry=self._registry
        )
        self.switches = Counter("q2pt_switches", "Releases that took the place of another", registry=self._registry)
        self.failed_switches = Counter(
            "q2pt_failed_switches", "Looks for a release, or loads of one, that failed", registry=self._registry
        )
        # Looked up once: whoever refuses thousands a second looks up nothing.
        self._refused_with = functools.cache(self.refused.labels)
        self._release = Gauge("q2pt_release_info", "The release that serves", ("version",), registry=self._registry)

    def observe_batch(self, questions: int, seconds: float) -> None:
        self.batch_questions.observe(questions)
        self.batch_seconds.observe(seconds)

    def count_refused(self, status: int) -> None:
        self._refused_with(str(int(status))).inc()

    def name_release(self, version: str) -> None:
        self._release.clear()
        self._release.labels(version).set(1)

    def text(self) -> bytes:
        """In the format that Prometheus reads."""
        return generate_latest(self._registry)
