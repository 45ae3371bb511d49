"""`make fuzz`: every target for FUZZ_SECONDS, with new examples each time; ends with 1 where one broke.

A target that hangs is ended with the traceback of where it is. What is found becomes a plain test.
"""

import faulthandler
import os
import secrets
import sys
import time
import traceback
from collections.abc import Callable

from fuzzing.target import Target
from fuzzing.targets import TARGETS
from hypothesis import HealthCheck, given, seed, settings

# Of one example; the slowest one, of several stages, takes a second.
HANG_SECONDS = 60
_EXAMPLES = 200


def fuzz(target: Target, seconds: float, first_seed: int) -> int:
    """Gives the target examples for so long; returns their number."""
    end, examples, is_broken = time.monotonic() + seconds, 0, False

    def check(found: object) -> None:
        nonlocal examples, is_broken
        # What broke once must go on breaking, while the smallest such example is looked for.
        if time.monotonic() > end and not is_broken:
            return
        examples += 1
        faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
        try:
            target.check(found)
        except Exception:
            is_broken = True
            raise
        finally:
            faulthandler.cancel_dump_traceback_later()

    number = first_seed
    while time.monotonic() < end:
        _round(target, check, number)()
        number += 1
    return examples


def _round(target: Target, check: Callable[[object], None], number: int) -> Callable[[], None]:
    bounded = settings(
        max_examples=_EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck), print_blob=False
    )
    run: Callable[[], None] = seed(number)(bounded(given(target.given)(check)))
    return run


def main() -> None:
    seconds, first_seed = float(os.environ.get("FUZZ_SECONDS", "60")), secrets.randbelow(2**32)
    wanted = sys.argv[1:]
    print(f"{seconds:g} s a target, seed {first_seed}")
    broken = []
    for target in TARGETS:
        if wanted and target.name not in wanted:
            continue
        try:
            print(f"{target.name}: {fuzz(target, seconds, first_seed):,} examples", flush=True)
        except BaseException:
            traceback.print_exc()
            print(f"{target.name}: broken", flush=True)
            broken.append(target.name)
    if broken:
        sys.exit(f"broken: {', '.join(broken)}")


if __name__ == "__main__":
    main()
