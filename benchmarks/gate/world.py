"""A made-up shop whose queries drift: what is true of every night's model, and what a test set says of it.

All figures are recalls. Years are simulated side by side: arrays are (Y,) or (Y, S) for Y years and S stores.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Share of the true pairs that only one of two models of the same recall finds: where paired sampling noise comes from.
DISAGREEMENT = 0.06
# The window that test queries come from: tonight's test set is last night's but for one day in so many.
WINDOW_DAYS = 28
# The forward days hold so many times fewer pairs than the test set.
FORWARD_FACTOR = 5


@dataclass(frozen=True)
class World:
    """What is assumed.

    Attributes:
        name: of the scenario.
        positives: true pairs of the test set in each store.
        daily_loss: mean recall that a model loses per day, because the words of shoppers move on.
        jump_chance: of a day on which it loses `jump_loss` at once, such as a new season.
        jump_loss: recall.
        training_noise: standard deviation over trainings that differ by chance alone, over all stores.
        store_noise: the same of a store on top, what one gains another loses.
        bad_chance: of a night whose model is worse by `bad_loss`: a broken delivery, a bad training.
        bad_loss: recall.
        bad_store_chance: of a night whose model is worse in one store by `bad_store_loss`.
        bad_store_loss: recall.
    """

    name: str
    positives: tuple[int, ...]
    daily_loss: float
    jump_chance: float = 1 / 60
    jump_loss: float = 0.01
    training_noise: float = 0.01
    store_noise: float = 0.01
    bad_chance: float = 0.02
    bad_loss: float = 0.03
    bad_store_chance: float = 0.02
    bad_store_loss: float = 0.1

    @property
    def shares(self) -> Floats:
        """(S,) each store's part in the figure over all."""
        return np.asarray(self.positives, dtype=np.float64) / sum(self.positives)

    @property
    def sampling_noise(self) -> Floats:
        """(S,) standard deviation of a model's own luck with a store's test queries."""
        return np.sqrt(DISAGREEMENT / np.asarray(self.positives, dtype=np.float64) / 2)


@dataclass(frozen=True, eq=False)
class Models:
    """One model per year.

    Attributes:
        quality: (Y, S) true recall against a fresh model without noise, which has 0.
        luck: (Y, S) what the test set adds to it.
        forward_luck: (Y, S) what the forward days add.
        born: (Y,) the day that it was trained on.
    """

    quality: Floats
    luck: Floats
    forward_luck: Floats
    born: NDArray[np.int64]

    def where(self, promoted: NDArray[np.bool_], other: "Models") -> "Models":
        """These, and in the years `promoted` the others."""
        rows = promoted[:, None]
        return Models(
            np.where(rows, other.quality, self.quality),
            np.where(rows, other.luck, self.luck),
            np.where(rows, other.forward_luck, self.forward_luck),
            np.where(promoted, other.born, self.born),
        )


def train(world: World, years: int, day: int, random: np.random.Generator) -> Models:
    """Tonight's candidates."""
    shape = (years, len(world.positives))
    quality = world.training_noise * random.standard_normal((years, 1))
    of_stores = world.store_noise * random.standard_normal(shape)
    # What one store gains another loses: over all stores the spread is that of the training noise alone.
    quality = quality + of_stores - (of_stores @ world.shares)[:, None]
    quality = quality - world.bad_loss * (random.random((years, 1)) < world.bad_chance)
    hit = random.integers(0, shape[1], years)
    is_bad = random.random(years) < world.bad_store_chance
    quality[np.arange(years), hit] -= world.bad_store_loss * is_bad
    luck = world.sampling_noise * random.standard_normal(shape)
    return Models(quality, luck, _forward_luck(world, years, random), np.full(years, day))


def age_one_day(world: World, models: Models, random: np.random.Generator) -> Models:
    """The same models a day later: the shop has moved on, the test set has changed by one day."""
    years = len(models.born)
    loss = world.daily_loss * random.exponential(size=(years, 1))
    loss = loss + world.jump_loss * (random.random((years, 1)) < world.jump_chance)
    kept = 1 - 1 / WINDOW_DAYS
    fresh = world.sampling_noise * random.standard_normal(models.luck.shape)
    luck = kept * models.luck + np.sqrt(1 - kept**2) * fresh
    return Models(models.quality - loss, luck, _forward_luck(world, years, random), models.born)


def _forward_luck(world: World, years: int, random: np.random.Generator) -> Floats:
    """The forward days are new every night."""
    noise = world.sampling_noise * np.sqrt(FORWARD_FACTOR)
    return np.asarray(noise * random.standard_normal((years, len(world.positives))))
