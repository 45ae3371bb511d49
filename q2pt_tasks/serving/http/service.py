"""What answers requests: the release that serves, the questions that wait for it, and its figures."""

from collections.abc import Sequence

from q2pt_tasks.serving.http.answering import Asked
from q2pt_tasks.serving.http.batcher import Batcher
from q2pt_tasks.serving.http.crowd import Crowd
from q2pt_tasks.serving.http.documents import Answer, Question
from q2pt_tasks.serving.http.figures import Figures
from q2pt_tasks.serving.http.limits import Limits
from q2pt_tasks.serving.http.loaded import LoadedRelease


class Service:
    """A release that serves, until another takes its place."""

    def __init__(self, loaded: LoadedRelease, limits: Limits) -> None:
        self.limits, self.figures, self.crowd = limits, Figures(), Crowd(limits.requests)
        self.batcher = Batcher(limits, self.figures.observe_batch)
        self.figures.waiting.set_function(lambda: self.batcher.admitted)
        self.figures.name_release(loaded.release.version)
        self.loaded = loaded

    @property
    def is_full(self) -> bool:
        """Whether a question would be refused."""
        return self.batcher.is_full or self.crowd.is_full

    async def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """The answers to the questions of one request, all of one release.

        Raises:
            ModelNotServedError, LocaleNotServedError: one of them cannot be asked; then none is.
            OverloadedError: too many wait already.
        """
        # Taken once: whoever switches meanwhile leaves this one as it is.
        loaded = self.loaded
        answers = await self.batcher.ask([_asked(loaded, question) for question in questions])
        if unknown := sum(found.used_unknown_locale for found in answers):
            self.figures.unknown_locale.inc(unknown)
        return answers

    def switch(self, loaded: LoadedRelease) -> None:
        """From the next request on `loaded` answers; those that wait are answered by the release that they came to."""
        self.loaded = loaded
        self.figures.switches.inc()
        self.figures.name_release(loaded.release.version)


def _asked(loaded: LoadedRelease, question: Question) -> Asked:
    predictor = loaded.predictor(question.model, question.locale)
    return Asked(question, predictor, question.model or loaded.release.serving, loaded.release.version)
