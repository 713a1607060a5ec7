"""The score table: the only memory of scores. A partial matrix of candidates and examples."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence

from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.study.outcome import Outcome


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A mean with its uncertainty.

    Attributes:
        mean: Mean score; NaN with no score.
        error: Standard error of the mean.
        n: Scores it rests on.
    """

    mean: float
    error: float
    n: int


@dataclasses.dataclass(frozen=True)
class Paired:
    """Differences between two candidates on shared examples, in example order."""

    differences: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean difference, first minus second; 0 with no shared example."""
        return math.fsum(self.differences) / len(self.differences) if self.differences else 0.0

    @property
    def error(self) -> float:
        """Standard error of the mean difference."""
        return _error(self.differences)

    @property
    def wins(self) -> int:
        """Examples on which the first is better."""
        return sum(difference > 0 for difference in self.differences)

    @property
    def losses(self) -> int:
        """Examples on which the second is better."""
        return sum(difference < 0 for difference in self.differences)


def _error(values: Sequence[float]) -> float:
    n = len(values)
    if n < 2:
        return math.inf
    mean = math.fsum(values) / n
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1) / n)


class ScoreTable:
    """Outcomes by candidate and example, in the order examples were declared; sums never depend on arrival order."""

    def __init__(self, examples: Sequence[str]) -> None:
        self._order = {example: index for index, example in enumerate(examples)}
        self._cells: dict[str, dict[str, Outcome]] = {}
        self._candidates: dict[str, Candidate] = {}

    def record(self, candidate: Candidate, outcomes: Iterable[Outcome]) -> None:
        """Add outcomes of a candidate; a later outcome for the same example replaces the earlier."""
        self._candidates.setdefault(candidate.id, candidate)
        row = self._cells.setdefault(candidate.id, {})
        for outcome in outcomes:
            row[outcome.example] = outcome

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """Candidates in the order they were first recorded."""
        return tuple(self._candidates.values())

    def outcomes(self, candidate: Candidate, ids: Iterable[str] | None = None) -> list[Outcome]:
        """The candidate's outcomes in example order, on ``ids`` or on all it has."""
        row = self._cells.get(candidate.id, {})
        wanted = row.keys() if ids is None else [example for example in ids if example in row]
        return [row[example] for example in sorted(wanted, key=self._order.__getitem__)]

    def covers(self, candidate: Candidate, ids: Sequence[str]) -> bool:
        """Whether the candidate has an outcome on every one of ``ids``."""
        row: Mapping[str, Outcome] = self._cells.get(candidate.id, {})
        return all(example in row for example in ids)

    def mean(self, candidate: Candidate, ids: Iterable[str] | None = None) -> Estimate:
        """Mean score of the candidate on ``ids``, or on all it has."""
        values = [outcome.value for outcome in self.outcomes(candidate, ids)]
        mean = math.fsum(values) / len(values) if values else math.nan
        return Estimate(mean, _error(values), len(values))

    def paired(self, a: Candidate, b: Candidate, ids: Sequence[str] | None = None) -> Paired:
        """Differences ``a`` minus ``b`` on the examples of ``ids`` that both have."""
        of_b = {outcome.example: outcome for outcome in self.outcomes(b, ids)}
        return Paired(
            tuple(
                outcome.value - of_b[outcome.example].value
                for outcome in self.outcomes(a, ids)
                if outcome.example in of_b
            )
        )

    def best(self, candidates: Sequence[Candidate], ids: Sequence[str] | None = None) -> Candidate:
        """The candidate with the highest mean on ``ids``; the earlier one where means are equal."""
        scored = [(candidate, [o.value for o in self.outcomes(candidate, ids)]) for candidate in candidates]
        known = [(candidate, math.fsum(values) / len(values)) for candidate, values in scored if values]
        return max(known, key=lambda pair: pair[1])[0]
