"""How often the gate emits, and whether the reported difference is biased, on a response model.

    python -m benchmarks.gate           # 2,000 searches a cell: minutes
    python -m benchmarks.gate --quick   # 300

Twenty candidates, all of them truly better than a start at 60 % by the gain, or equal to it; the best select score
wins and is judged as ``compile`` judges it. The worth of a pair is the plain variance of the mean difference over its
true one; where it is below 1 the pairs are not independent, and each must count for less.
"""

from __future__ import annotations

import argparse

from tests.study.response_model import CANDIDATES, SIZES, START, calibrate


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2000)
    parser.add_argument("--quick", action="store_true", help="300 seeds")
    options = parser.parse_args()
    seeds = 300 if options.quick else options.seeds
    print(f"{seeds} searches a row, {CANDIDATES} candidates, start at {START:.0%}\n")
    heads = ("examples", "judged by", "true gain", "*better*", "or *probably better*", "bias of the difference, points")
    print(f"| {' | '.join(heads)} | worth of a pair |")
    print("|---|---|---|---|---|---|---|")
    for examples in SIZES:
        for gain in (0.0, 0.05, 0.1):
            found = calibrate(examples, gain, seeds)
            print(
                f"| {examples} | {found.judged} | {100 * gain:+.0f} | {found.better:.1%} | {found.probably:.1%} | "
                f"{100 * found.bias:+.2f} ± {100 * found.error:.2f} | {found.worth:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
