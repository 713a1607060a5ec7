"""When a change is kept, from what it did on the same examples as the program before it."""

from __future__ import annotations

import dataclasses
import math
from typing import Protocol

from treadle.compiler.errors import ConfigurationError
from treadle.compiler.study.gate import probability_better
from treadle.compiler.study.table import Paired


class Acceptance(Protocol):
    """Decides whether a change is kept."""

    def accepts(self, paired: Paired) -> bool:
        """Whether to keep it, given the paired differences to the program before it."""
        ...


@dataclasses.dataclass(frozen=True)
class Always:
    """Keep every change that could be run: what OptoPrime does."""

    def accepts(self, paired: Paired) -> bool:
        """Yes."""
        return True


@dataclasses.dataclass(frozen=True)
class StrictImprovement:
    """Keep a change whose scores add up to more than before on the same examples."""

    def accepts(self, paired: Paired) -> bool:
        """Whether the sum of differences is above 0."""
        return math.fsum(paired.differences) > 0


@dataclasses.dataclass(frozen=True)
class PairedTest:
    """Keep a change that is better with at least this probability, by the test of the verdict.

    Attributes:
        probability: From 0.5 to below 1.
    """

    probability: float = 0.8

    def __post_init__(self) -> None:
        if not 0.5 <= self.probability < 1:
            msg = f"PairedTest(probability={self.probability!r}): give 0.5 to below 1"
            raise ConfigurationError(msg)

    def accepts(self, paired: Paired) -> bool:
        """Whether it is."""
        return bool(paired.differences) and probability_better(paired.differences) >= self.probability
