"""What the per-locale checkpoints of 20 stores take on disk, in units of one unified checkpoint.

Run as `PYTHONPATH=tests python -m benchmarks.checkpoint_bytes` in the root of the repository; it prints a table.
"""

import sys

from checkpoint_bytes import ENCODERS, LOCALES, Bytes, measure

ROWS = (2000, 4000, 6000)


def main() -> None:
    header = ["encoder", "rows changed", "unified, MB", "per locale, MB", f"{LOCALES} of them", "and the encoder"]
    lines = [header, ["---"] * len(header)]
    for name, encoder in ENCODERS.items():
        lines += [_line(name, rows, measure(encoder, rows)) for rows in ROWS]
    sys.stdout.write("".join(f"| {' | '.join(line)} |\n" for line in lines))


def _line(name: str, rows: int, found: Bytes) -> list[str]:
    ratios = [f"{ratio:.2f}x" for ratio in (found.ratio, found.ratio_with_encoder)]
    return [name, f"{rows:,}", f"{found.unified / 1e6:.1f}", f"{found.own / 1e6:.1f}", *ratios]


if __name__ == "__main__":
    main()
