"""Is the demo's gain shown whatever the seed? Compiles the support desk of ``treadle demo`` with five seeds.

    python -m benchmarks.demo

Exits with 1 unless the verdict is "better" or "probably better" with each of them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import treadle
from treadle.demo.program import metric, rows, support

GOOD = ("better", "probably better")


def verdict(seed: int) -> str:
    """Compile with one seed, print a line, and give the verdict's word."""
    compiled = treadle.compile(
        support, rows(), metric, "mipro", lm="offline", budget=treadle.Budget(calls=30_000), seed=seed, study=None,
        events=None,
    )  # fmt: skip
    found = compiled.report.comparison
    if found is None:
        return "none"
    print(
        f"seed {seed}   before {found.start:5.1%}   after {found.winner:5.1%}   "
        f"difference {100 * found.difference:+5.1f} ({100 * found.low:+.1f} to {100 * found.high:+.1f})   "
        f"{found.verdict}",
        flush=True,
    )
    return str(found.verdict)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compile, print, and judge."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args(arguments)
    good = sum(verdict(seed) in GOOD for seed in range(options.seeds))
    print(f"the gain is shown for {good} of {options.seeds} seeds")
    return 0 if good == options.seeds else 1


if __name__ == "__main__":
    sys.exit(main())
