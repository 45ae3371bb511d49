"""Training and prediction against Hugging Face's, side by side on this machine: `make bench`.

Writes `docs/results/performance.md`, and every run to `performance.json` beside it as soon as it is over: a benchmark
that was cut off goes on where it stopped.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.performance.contestants import Group, Results, read_results, write_results
from benchmarks.performance.measure import Arena
from benchmarks.performance.ours import micro_tokens
from benchmarks.performance.page import page, read_notes
from benchmarks.performance.place import Place
from benchmarks.performance.plan import GROUP_MODELS, KINDS, Plan
from benchmarks.performance.prepare import prepare
from benchmarks.performance.sizes import FULL, MODELS, TINY, Sizes
from benchmarks.performance.workspaces import stage_locales
from q2pt_tasks.sources.google_taxonomy import REFERENCE_LOCALE
from q2pt_tasks.studies.machine import describe_machine

PEERS = Path("build/peers-venv/bin/python")


@dataclass(frozen=True)
class Scale:
    """Sizes, where things are kept, and where the page goes."""

    sizes: Sizes
    place: Place
    page: Path

    @property
    def results(self) -> Path:
        return self.page.with_suffix(".json")


FULL_SCALE = Scale(FULL, Place(Path("build/bench")), Path("docs/results/performance.md"))
TINY_SCALE = Scale(TINY, Place(Path("build/bench-tiny")), Path("build/bench-tiny/performance.md"))


def main() -> int:
    options = _options()
    scale = TINY_SCALE if options.tiny else FULL_SCALE
    facts = prepare(scale.place, scale.sizes, options.taxonomy, options.encoder)
    results = read_results(scale.results, describe_machine(), facts)
    arena = Arena({"ours": Path(sys.executable), "peers": options.peers}, scale.place.logs, scale.results)
    for group in _groups(options, scale, results):
        if options.again:
            results = results.without_group(group.name)
        results = arena.measure(group, results)
        write_page(scale, results)
    write_page(scale, results)
    sys.stdout.write(f"{scale.page}\n")
    return 0


def write_page(scale: Scale, results: Results) -> None:
    write_results(scale.results, results)
    scale.page.write_text(page(results, scale.sizes, read_notes()), encoding="utf-8")


def _groups(options: argparse.Namespace, scale: Scale, results: Results) -> list[Group]:
    """What the command line asks for."""
    plans = [
        Plan(model, scale.place, scale.sizes, results.facts, micro_tokens(), stage_locales(scale.sizes.stages[model]))
        for model in options.models
    ]
    return [
        plan.group(kind, options.turns) for kind in options.groups for plan in plans if plan.model in GROUP_MODELS[kind]
    ]


def _options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.performance", description=__doc__)
    taxonomy, encoder = _folder_with(f"taxonomy-with-ids.{REFERENCE_LOCALE}.txt"), _folder_with("model.safetensors")
    parser.add_argument("--taxonomy", type=taxonomy, required=True, help="folder of Google's product taxonomy")
    parser.add_argument("--encoder", type=encoder, required=True, help="folder of multilingual-e5-small-trimmed")
    parser.add_argument("--peers", type=Path, default=PEERS, help="Python of the peers' environment")
    parser.add_argument(
        "--groups", nargs="*", choices=KINDS, default=list(KINDS), help="what to measure; nothing: only the page"
    )
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--turns", type=int, help="of each group, in the place of its own number")
    parser.add_argument("--again", action="store_true", help="measure anew what is kept")
    parser.add_argument("--tiny", action="store_true", help="the least that shows that everything runs; no figures")
    return parser.parse_args(arguments)


def _folder_with(name: str) -> Callable[[str], Path]:
    """Reads the path of a folder that has the file `name`."""

    def read(text: str) -> Path:
        if not (Path(text) / name).is_file():
            raise argparse.ArgumentTypeError(f"{text!r} is no folder with {name}")
        return Path(text)

    return read


if __name__ == "__main__":
    sys.exit(main())
