"""Intervals of a mean score."""

from __future__ import annotations

import math
from collections.abc import Sequence

from treadle.compiler.study.gate import interval

_Z = 1.959964  # 95 % of a normal distribution lie within


def mean_interval(scores: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of the mean of ``scores``.

    Wilson's score interval (1927) for 0/1 scores, which stays honest near 0 and 1; the Bayesian bootstrap for others.

    >>> low, high = mean_interval([1.0] * 10)
    >>> round(low, 2), round(high, 2)
    (0.72, 1.0)
    """
    if not scores:
        return 0.0, 1.0
    if all(score in (0.0, 1.0) for score in scores):
        return _wilson(math.fsum(scores) / len(scores), len(scores))
    return interval(scores)


def _wilson(share: float, n: int) -> tuple[float, float]:
    scale = 1 + _Z**2 / n
    middle = (share + _Z**2 / (2 * n)) / scale
    half = _Z / scale * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)
