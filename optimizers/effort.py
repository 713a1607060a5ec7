"""How much a search tries: one word for several numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

Effort = Literal["light", "medium", "heavy"]

BREADTH: Mapping[Effort, int] = {"light": 6, "medium": 12, "heavy": 18}
"""Demo sets and instructions a predictor gets, and the measure of the rest: MIPROv2's numbers."""


ROUNDS: Mapping[Effort, int] = {"light": 2, "medium": 3, "heavy": 5}
"""How often options are made: before the first trial, and then from what the best program gets wrong."""

_TIMES: Mapping[Effort, int] = {"light": 1, "medium": 2, "heavy": 4}


def trials_for(effort: Effort, parameters: int) -> int:
    """Combinations to try of so many parameters: MIPROv2's rule, twice that for medium, four times for heavy.

    A trial costs about half of MIPROv2's here, and later rounds need some of their own.

    >>> [trials_for("light", parameters) for parameters in (2, 4, 6)]
    [10, 20, 31]
    """
    n = BREADTH[effort]
    return _TIMES[effort] * int(max(2 * parameters * math.log2(n), 1.5 * n))
