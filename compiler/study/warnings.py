"""Free warnings: what the first pass of the input program over the examples shows. They stop nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from treadle.compiler.study.outcome import Outcome

NEARLY_PERFECT = 0.97
FEW_MISSES = 3


def warnings_of(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """What a search should know of the start, in words; a run that failed is a miss."""
    return tuple(_warnings([outcome.value for outcome in outcomes], outcomes)) if outcomes else ()


def _warnings(values: Sequence[float], outcomes: Sequence[Outcome]) -> Iterator[str]:
    mean = math.fsum(values) / len(values)
    misses = sum(value < 1 for value in values)
    failed = [outcome for outcome in outcomes if outcome.score is None]
    if len(set(values)) == 1:
        yield f"the metric gave {values[0]:g} for every example: nothing can be told apart by it"
    elif mean >= NEARLY_PERFECT:
        yield f"the program starts at {mean:.1%}: there is little to gain"
    elif misses < FEW_MISSES:
        yield f"only {misses} examples are not right at the start: a gain rests on these alone"
    if not any(value >= 1 for value in values):
        yield "no run is fully right at the start: demos come from labels only"
    if failed:
        yield f"{len(failed)} of {len(outcomes)} runs failed; the first: {failed[0].failure}"
