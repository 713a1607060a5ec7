"""What learning from traces is worth, in worlds with one planted cause; each with its control.

    python -m benchmarks.trace_worlds        # 20 seeds: a minute or two

The optimizer's LM is scripted: it finds what the problem shows, and misreads one time in ten. So the table says what is
in the problem, not how well a language model reasons.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.optimizers.trace_measures import (
    SEEDS,
    branch_repaired,
    bug_repaired,
    evaluations_of_optoprime,
    evaluations_of_random_search,
    router_lost,
    shuffled_feedback,
    shuffled_names,
    step_found,
    steps_lost,
    unmarked,
    unnamed,
)
from treadle.compiler.study.gate import interval


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=len(SEEDS))
    seeds = range(parser.parse_args().seeds)
    print("| world | with the trace | control |\n|---|---|---|")
    ours = statistics.median(evaluations_of_optoprime(seed) for seed in seeds)
    random = statistics.median(evaluations_of_random_search(seed) for seed in seeds)
    _row("a numeric target, evaluations until within 3 % (median)", f"{ours:g}", f"{random:g} by random search")
    with tempfile.TemporaryDirectory() as folder:
        _row(
            "a planted bug, repaired in one round",
            _count([bug_repaired(seed, Path(folder)) for seed in seeds]),
            _count([bug_repaired(seed, Path(folder), unmarked) for seed in seeds]) + " with the marked line taken out",
        )
    _row(
        "five steps: the one at fault is the one changed",
        _count([step_found(seed) for seed in seeds]),
        _count([step_found(seed, shuffled_names(seed)) for seed in seeds])
        + " with step names shuffled, "
        + _count([step_found(seed, shuffled_feedback(seed)) for seed in seeds])
        + " with feedback shuffled",
    )
    _row(
        "a router's wrong branch, repaired in one round",
        _count([branch_repaired(seed) for seed in seeds]),
        _count([branch_repaired(seed, unnamed) for seed in seeds]) + " where the feedback does not name the desk",
    )
    _row("five steps, score without the trace (feedback only)", "", _lower([steps_lost(seed) for seed in seeds]))
    _row("the router, score without the trace (feedback only)", "", _lower([router_lost(seed) for seed in seeds]))


def _row(*cells: str) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)


def _count(right: Sequence[bool]) -> str:
    return f"{sum(right)} of {len(right)}"


def _lower(lost: Sequence[float]) -> str:
    low, high = interval(lost)
    return f"{statistics.fmean(lost):.2f} lower (95 % interval {low:.2f} to {high:.2f})"


if __name__ == "__main__":
    main()
