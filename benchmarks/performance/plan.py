"""Which contestants meet, and how much each of them is given to do."""

from dataclasses import dataclass

from benchmarks.performance.contestants import Contestant, Group
from benchmarks.performance.data import Facts
from benchmarks.performance.place import BRANCH, Place
from benchmarks.performance.sizes import E5, MODELS, Sizes
from benchmarks.performance.tasks import Asking, Grading, Importing, Multiplying, Staging, Task, Training

LARGE, SMALL, STAGES, PREDICT, SINGLE, START, RECALL = (
    "train-large",
    "train-small",
    "stages",
    "predict",
    "single",
    "start",
    "recall",
)
KINDS = (LARGE, SMALL, STAGES, PREDICT, SINGLE, START, RECALL)
# Turns of a group where nothing else is said. Starts are short, and differ more.
_TURNS, _START_TURNS = 3, 5
# Only a pre-trained model is worth grading.
GROUP_MODELS = {kind: (E5,) if kind == RECALL else MODELS for kind in KINDS}

OURS, DEFAULTS, TUNED, ALIKE = "ours", "defaults", "tuned", "alike"
PRODUCTS = "matrix products"
PER_LOCALE, TOGETHER, UNIFIED = "per locale", "per locale, side by side", "unified"
IMPORTS = "imports"
OURS_GRADED, ALIKE_GRADED, FASTEST_GRADED = "ours graded", "alike graded", "ours graded as it predicts"
QUICK_GRADED = "ours graded as it answers one query"


def group_name(kind: str, model: str) -> str:
    return f"{kind}/{model}"


@dataclass(frozen=True)
class Plan:
    """What a benchmark of one model consists of.

    Attributes:
        micro_tokens: tokens that our training computes at once.
        locales: those that the pipeline trains a model of.
    """

    model: str
    place: Place
    sizes: Sizes
    facts: Facts
    micro_tokens: int
    locales: tuple[str, ...]

    def group(self, kind: str, turns: int | None) -> Group:
        """The group of a kind, of as many turns as it is worth where `turns` does not say."""
        contestants = {
            LARGE: self._large,
            SMALL: self._small,
            STAGES: self._stages,
            PREDICT: self._predict,
            SINGLE: self._single,
            START: self._start,
            RECALL: self._recall,
        }[kind]()
        own_turns = {STAGES: self.sizes.stages[self.model].turns, START: _START_TURNS}.get(kind, _TURNS)
        return Group(group_name(kind, self.model), contestants, turns or own_turns)

    @property
    def _path(self) -> str:
        return str(self.place.model(self.model))

    def _large(self) -> list[Contestant]:
        batch, steps, piece = self.sizes.large, self.sizes.large_steps, self.sizes.piece
        queries = round(self.micro_tokens / self.facts.mean_tokens)
        products = Multiplying(
            model=self._path, queries=queries, tokens=self.micro_tokens, seconds=self.sizes.product_seconds
        )
        return [
            _own(OURS, "train", self._training(batch, steps, batch), 10),
            Contestant(PRODUCTS, "ours", "matmul", "multiply", products, 5),
            _peer(DEFAULTS, "train_defaults", self._training(batch, self.sizes.default_large_steps, batch), 15),
            _peer(TUNED, "train_tuned", self._training(batch, steps, piece), 15),
        ]

    def _small(self) -> list[Contestant]:
        batch, steps = self.sizes.small, self.sizes.small_steps
        return [
            _own(OURS, "train", self._training(batch, steps, batch), 10),
            _peer(DEFAULTS, "train_defaults", self._training(batch, self.sizes.default_small_steps, batch), 10),
            _peer(TUNED, "train_tuned", self._training(batch, steps, batch), 10),
        ]

    def _training(self, batch: int, steps: int, piece: int) -> Training:
        rows = str(self.place.rows("train"))
        return Training(model=self._path, rows=rows, queries=batch * steps, batch=batch, piece=piece)

    def _stages(self) -> list[Contestant]:
        workspace = str(self.place.workspace(self.model))
        every = Staging(workspace=workspace, locales=self.locales)
        return [
            _stage(PER_LOCALE, "per_locale", every, 40),
            _stage(TOGETHER, "per_locale_together", every, 40),
            _stage(UNIFIED, "unified", Staging(workspace=workspace), 20),
        ]

    def _start(self) -> list[Contestant]:
        return [
            _stage(OURS, "start", Staging(workspace=str(self.place.workspace(self.model))), 5),
            _stage(IMPORTS, "start_imports", Importing(), 5),
        ]

    def _predict(self) -> list[Contestant]:
        ours, defaults, tuned = self.sizes.answers
        return [
            _own(OURS, "predict", self._asking(self.sizes.asked, ours), 5),
            _peer(DEFAULTS, "predict_defaults", self._asking(self.sizes.asked, defaults), 5),
            _peer(TUNED, "predict_tuned", self._asking(self.sizes.asked, tuned), 5),
        ]

    def _single(self) -> list[Contestant]:
        task = self._asking(self.sizes.singly, 1)
        return [_own(OURS, "ask_singly", task, 5), _peer(DEFAULTS, "ask_singly", task, 5)]

    def _asking(self, queries: int, passes: int) -> Asking:
        texts, piece = str(self.place.texts), self.sizes.asked_piece
        return Asking(model=self._path, texts=texts, queries=queries, passes=passes, piece=piece)

    def _recall(self) -> list[Contestant]:
        return [
            _own(OURS, "train", self._graded_training(OURS), 20),
            _peer(ALIKE, "train_alike", self._graded_training(ALIKE), 30),
            _own(OURS_GRADED, "grade", self._grading(OURS), 5),
            _own(ALIKE_GRADED, "grade", self._grading(ALIKE), 5),
            _own(FASTEST_GRADED, "grade_fastest", self._grading(OURS), 5),
            _own(QUICK_GRADED, "grade_quick", self._grading(OURS), 10),
        ]

    def _graded_training(self, contestant: str) -> Training:
        batch = self.sizes.graded_batch
        return Training(
            model=str(self.place.model(BRANCH)),
            rows=str(self.place.rows(f"{BRANCH}-train")),
            queries=round(self.sizes.passes * self.facts.branch_queries["train"]),
            batch=batch,
            piece=batch,
            save=self.place.trained(contestant),
        )

    def _grading(self, contestant: str) -> Grading:
        validation, test = (str(self.place.rows(f"{BRANCH}-{side}")) for side in ("validation", "test"))
        return Grading(model=self.place.trained(contestant), validation=validation, test=test)


def _own(name: str, command: str, task: Task, minutes: float) -> Contestant:
    return Contestant(name, "ours", "ours", command, task, minutes)


def _peer(name: str, command: str, task: Task, minutes: float) -> Contestant:
    return Contestant(name, "peers", "peers", command, task, minutes)


def _stage(name: str, command: str, task: Task, minutes: float) -> Contestant:
    return Contestant(name, "ours", "stages", command, task, minutes)
