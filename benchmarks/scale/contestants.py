"""One stage of one contestant in a process of its own: prints its processors' time and most resident memory as JSON.

Those of a process that the stage has started and waited for are in both, as if both were at their most at once.

Run as `python -m benchmarks.scale.contestants NAME STAGE FOLDER`, by `benchmarks.scale.measuring`.
"""

import json
import re
import resource
import sys
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

CONTESTANTS = {"q2pt": "ours", "pandas": "in_pandas", "sql": "in_sql"}
STAGES = ("ingest", "validate", "label", "split")


def main() -> None:
    name, stage, folder = sys.argv[1:]
    stages: Mapping[str, Callable[[Path], None]] = import_module(f"benchmarks.scale.{CONTESTANTS[name]}").STAGES
    stages[stage](Path(folder))
    beside = resource.getrusage(resource.RUSAGE_CHILDREN)
    core_seconds = time.process_time() + beside.ru_utime + beside.ru_stime
    found = {"core_seconds": core_seconds, "megabytes": _most_megabytes() + beside.ru_maxrss / 1024}
    sys.stdout.write(json.dumps(found) + "\n")


def _most_megabytes() -> float:
    """The most resident memory of this process; `getrusage` would count that of the process which started it."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    if found is None:
        raise RuntimeError("/proc/self/status has no VmHWM: the benchmark needs Linux")
    return int(found[1]) / 1024


if __name__ == "__main__":
    main()
