"""How a network is trained: the hyper-parameters, one set for a fresh encoder and one for a pre-trained one."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field

from q2pt_tasks.params import Section

# What a network is trained for; `objectives.py` says what each is.
ObjectiveName = Literal["binary_cross_entropy", "softmax", "sparsemax"]


class Training(StrEnum):
    """The section `training`: by whose recipes networks are trained."""

    Q2PT = "q2pt"
    PAPER = "paper"


class NGramRecipe(Section):
    """Sizes and learning of the n-gram model that is trained beside the encoder."""

    parts: Annotated[int, Field(ge=1, le=4_194_304)]
    longest: Annotated[int, Field(ge=1, le=10)]
    width: Annotated[int, Field(ge=1, le=1024)]
    learning_rate: Annotated[float, Field(gt=0, lt=1)]
    batch_size: Annotated[int, Field(ge=1)]
    min_steps_per_epoch: Annotated[int, Field(ge=1)]
    epochs: Annotated[int, Field(ge=1)]


class Recipe(Section):
    """Hyper-parameters of one training.

    The paper gives Adam, learning rate, dropout, batch size and binary cross-entropy (papers A, section 4); the other
    objectives, what the head starts from, epochs, warm-up, early stopping, the floor of steps per epoch and the n-gram
    model are not in it and are ours.
    """

    objective: ObjectiveName
    prior_bias: bool
    learning_rates: Annotated[tuple[Annotated[float, Field(gt=0, lt=1)], ...], Field(min_length=1)]
    head_factor: Annotated[float, Field(ge=1, le=100)]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    batch_size: Annotated[int, Field(ge=1)]
    micro_tokens: Annotated[int, Field(ge=1)]
    min_steps_per_epoch: Annotated[int, Field(ge=1)]
    warmup_share: Annotated[float, Field(ge=0, lt=1)]
    max_epochs: Annotated[int, Field(ge=1)]
    patience: Annotated[int, Field(ge=1)]
    ngrams: NGramRecipe | None

    def as_in_the_paper(self) -> Self:
        """With what the paper gives, and without what it does not know; epochs, warm-up and stopping stay."""
        return self.model_copy(update=_PAPER)


# Papers A, section 4. A batch is not made smaller for the sake of more steps.
_PAPER = {
    "objective": "binary_cross_entropy",
    "prior_bias": False,
    "learning_rates": (8e-5,),
    "head_factor": 1.0,
    "dropout": 0.001,
    "batch_size": 2048,
    "min_steps_per_epoch": 1,
    "ngrams": None,
}


class Recipes(Section):
    """The recipe for each kind of encoder, and when there is too little to train on."""

    scratch: Recipe
    pretrained: Recipe
    min_train_rows: Annotated[int, Field(ge=1)]

    def trained_as(self, training: Training) -> Self:
        """These recipes, or the paper's in their place."""
        if training is Training.Q2PT:
            return self
        return self.model_copy(
            update={"scratch": self.scratch.as_in_the_paper(), "pretrained": self.pretrained.as_in_the_paper()}
        )

    def of(self, *, is_scratch: bool) -> Recipe:
        return self.scratch if is_scratch else self.pretrained
