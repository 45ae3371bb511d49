"""`docs/results/gate.md`: what years of nights say of the gate's rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.gate.policy import GatePolicy, total_error
from benchmarks.gate.world import DISAGREEMENT, FORWARD_FACTOR, WINDOW_DAYS, World
from benchmarks.gate.years import HARM, NIGHTS, SOON, STORE_HARM, Outcome
from q2pt_tasks.studies.machine import describe_machine
from q2pt_tasks.studies.pages import bullet, code, table

_HEADER = (
    "rules",
    "promotions a year",
    "flip-flops a year",
    "wrong promotions",
    "harmful a year",
    "champion's age, mean days",
    "oldest, days",
    "regret, recall points",
    "regret in the worst store",
)


@dataclass(frozen=True)
class Asked:
    """How the simulation was run."""

    command: str
    years: int
    seed: int
    seconds: float
    default: GatePolicy


def page(asked: Asked, worlds: Sequence[World], found: Mapping[str, Mapping[str, Outcome]]) -> str:
    """The page in Markdown; `found` has per world's name the outcome of each policy by its name."""
    parts = [
        "# Years of nights: the gate's rules beside simpler ones",
        "What a gate does shows in years, which no log has. So nights are simulated on a made-up shop of which the "
        "truth is known. Every night trains a candidate, the champion ages, and the rules see both through a test set "
        "of finite size.",
        code(asked.command),
        f"{describe_machine()}. {asked.years:,} years of {NIGHTS} nights for every line below, seed {asked.seed}, the "
        f"same seed for every line; {asked.seconds:.0f} s.",
        "## What is assumed",
        _assumptions(worlds[0]),
        table(
            ("shop", "recall lost per day", "true pairs on test, per store", "standard error over all"),
            [_world_row(world) for world in worlds],
        ),
        "## What the columns say",
        "\n".join(map(bullet, _COLUMNS)),
    ]
    for world in worlds:
        rows = [_row(name, outcome) for name, outcome in found[world.name].items()]
        parts += [f"## {world.name.capitalize()}", table(_HEADER, rows)]
    parts += [
        "The defaults of `params.yaml` are "
        + ", ".join(
            f"`{name}` {getattr(asked.default, name):g}"
            for name in ("margin", "tolerance", "max_age_days", "min_days_between_promotions")
        )
        + "; the lines below them change one each.",
        "## What it says",
        "\n".join(map(bullet, conclusions(worlds, found))),
        "## What it cannot say",
        "\n".join(map(bullet, _LIMITS)),
    ]
    return "\n\n".join(parts) + "\n"


def _assumptions(world: World) -> str:
    return "\n".join(
        map(
            bullet,
            [
                "A model's recall is that of a fresh model, plus luck of training: a standard deviation of "
                f"{world.training_noise:g} over all stores (`gate.training_noise`) and of {world.store_noise:g} more "
                "in each store, where one gains what another loses.",
                "It loses recall every day, exponentially distributed with the mean below, and "
                f"{world.jump_loss:g} at once on one day in {1 / world.jump_chance:.0f}, such as a new season.",
                f"One night in {1 / world.bad_chance:.0f} trains a model that is worse by {world.bad_loss:g}, one in "
                f"{1 / world.bad_store_chance:.0f} a model that is worse by {world.bad_store_loss:g} in one store.",
                f"Test queries: two models of equal recall disagree on {DISAGREEMENT:.0%} of the true pairs, which "
                "makes the noise of a difference. A model keeps its luck with the test set, of which one day in "
                f"{WINDOW_DAYS} is new each night.",
                f"The forward days hold a {FORWARD_FACTOR}th of the test set's pairs and are new every night.",
                "A year begins with a fresh champion.",
            ],
        )
    )


_COLUMNS = (
    f"flip-flops: promotions within {SOON} days of another one.",
    "wrong promotions: share of the promotions whose model is truly worse than the champion, by however little.",
    f"harmful: promotions of a model that is truly worse by more than {HARM:g} over all stores, or by more than "
    f"{STORE_HARM:g} in one.",
    "regret: what shoppers miss, mean over all nights, against a fresh model of average luck every night; below 0 "
    "where lucky models are kept. In points of recall, hundredths.",
)
_LIMITS = (
    "The drift, the noise and the share of bad nights are made up; that of training is the default of `params.yaml`. "
    "Measure your own with `q2pt study training_noise` and run this again with it.",
    "The rules about precision, calibration, sizes, product types and drift of the data are left out: nothing here "
    "moves them.",
    "A release that keeps a store on its old checkpoint is not simulated: a store that is shown to be worse refuses.",
)


def _world_row(world: World) -> list[object]:
    positives = ", ".join(map(str, world.positives))
    return [world.name, f"{world.daily_loss:g}", positives, f"{total_error(world):.4f}"]


def _row(name: str, outcome: Outcome) -> list[object]:
    return [
        name,
        f"{outcome.promotions:.1f}",
        f"{outcome.flip_flops:.1f}",
        f"{outcome.wrong:.1%}",
        f"{outcome.harmful:.2f}",
        f"{outcome.age:.1f}",
        f"{outcome.oldest:.0f}",
        f"{100 * outcome.regret:+.2f}",
        f"{100 * outcome.store_regret:+.2f}",
    ]


DEFAULT, NAIVE, SUPERIOR_ALONE = "the defaults", "higher is better", "superiority alone"


def conclusions(worlds: Sequence[World], found: Mapping[str, Mapping[str, Outcome]]) -> list[str]:
    """Sentences, each computed from figures."""
    return [_conclusion(world.name, found[world.name]) for world in worlds]


def _conclusion(name: str, found: Mapping[str, Outcome]) -> str:
    default, naive, alone = (found[policy] for policy in (DEFAULT, NAIVE, SUPERIOR_ALONE))
    return (
        f"{name.capitalize()}: the defaults {_in_words(default)}; with “higher is better” nights "
        f"{_in_words(naive)}. Against it the defaults cost {100 * (default.regret - naive.regret):+.2f} points of "
        f"recall over all nights. The oldest champion of a year is {default.oldest:.0f} days old with the defaults, "
        f"{alone.oldest:.0f} with superiority alone."
    )


def _in_words(outcome: Outcome) -> str:
    return (
        f"promote {outcome.promotions:.0f} times a year, {outcome.wrong:.0%} of them wrong, {outcome.flip_flops:.1f} "
        f"flip-flops, {outcome.harmful:.2f} harmful"
    )
