"""Further objectives beside the score: what candidates cost, and numbers the metric gives by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from treadle.compiler.errors import DataError

if TYPE_CHECKING:
    from treadle.compiler.graph.parameters import Candidate
    from treadle.compiler.study.outcome import Outcome
    from treadle.compiler.study.study import Study

_USED: Mapping[str, Callable[[Outcome], float | None]] = {
    "cost": lambda outcome: outcome.cost,
    "tokens": lambda outcome: float(outcome.usage.input_tokens + outcome.usage.output_tokens),
    "calls": lambda outcome: float(outcome.calls),
}
"""What a run uses, by name: less is better."""


class Objectives:
    """Reads further objectives off the score table, as gains on the start: higher is better.

    Args:
        study: Its table is read.
        start: What candidates are compared with.
        names: ``"cost"`` (dollars), ``"tokens"`` or ``"calls"`` of a run, or names of the metric's
            ``Score.objectives``.
    """

    def __init__(self, study: Study, start: Candidate, names: Sequence[str]) -> None:
        self._study = study
        self._start = start
        self._names = names

    def gains(self, candidate: Candidate, ids: Sequence[str]) -> tuple[float, ...]:
        """What the candidate adds to each objective on ``ids``.

        Raises:
            DataError: A run has no such number, such as a cost without a price.
        """
        return tuple(self._mean(candidate, name, ids) - self._mean(self._start, name, ids) for name in self._names)

    def _mean(self, candidate: Candidate, name: str, ids: Sequence[str]) -> float:
        outcomes = self._study.table.outcomes(candidate, ids)
        return math.fsum(_number(outcome, name) for outcome in outcomes) / max(1, len(outcomes))

    def front(self, candidates: Sequence[Candidate], ids: Sequence[str]) -> list[Candidate]:
        """The candidates that no other beats in score and all objectives, in their order."""
        points = {
            candidate: (self._study.table.mean(candidate, ids).mean, *self.gains(candidate, ids))
            for candidate in candidates
        }
        return [c for c in candidates if not any(_beats(points[other], points[c]) for other in candidates)]

    def prefer(self, winner: Candidate, candidates: Sequence[Candidate], ids: Sequence[str]) -> Candidate:
        """In the place of the winner, one as good and better in the objectives, the first of them first.

        As good: its score is at most one standard error of the paired difference below the winner's.
        """

        def as_good(candidate: Candidate) -> bool:
            below = self._study.table.paired(winner, candidate, ids)
            return candidate == winner or below.mean <= below.error

        front = [candidate for candidate in self.front(candidates, ids) if as_good(candidate)]
        return max(front, key=lambda candidate: self.gains(candidate, ids), default=winner)


def _number(outcome: Outcome, name: str) -> float:
    if outcome.failure and name not in _USED:
        return 0.0  # a failed run scored nothing
    found = -_need(_USED[name](outcome), name, outcome) if name in _USED else outcome.objectives.get(name)
    return _need(found, name, outcome)


def _need(found: float | None, name: str, outcome: Outcome) -> float:
    if found is None:
        known = ", ".join([*_USED, *outcome.objectives])
        msg = (
            f"objective {name!r} is unknown of example {outcome.example!r}: a cost needs a price "
            f"(LM(…, price=(input, output))), other names are those of Score.objectives; here there are {known}"
        )
        raise DataError(msg)
    return found


def _beats(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a != b and all(x >= y for x, y in zip(a, b, strict=True))
