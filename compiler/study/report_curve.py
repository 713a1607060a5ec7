"""The learning curve: the best search score so far against the LM calls used so far."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from treadle.compiler.canonical import JSON
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.study.history import History
from treadle.compiler.study.report_candidates import rounded
from treadle.compiler.study.table import ScoreTable

ENOUGH = 0.5
"""Share of the choosing examples a candidate must be measured on to count as the best so far."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Point:
    """Where the curve stood from here on.

    Attributes:
        calls: LM calls of all roles used by then, by the logical ledger.
        score: The best search score by then: the start's, plus the mean paired difference to it on the examples both
            were measured on, so that the examples' own difficulty cancels. It falls where a candidate that looked best
            on some of the examples is measured on more.
        candidate: Whose it is.
    """

    calls: int
    score: float
    candidate: str

    def to_json(self) -> dict[str, JSON]:
        """The point as data."""
        return {"calls": self.calls, "score": rounded(self.score), "candidate": self.candidate}


def curve(history: History, table: ScoreTable, start: Candidate, select: Sequence[str]) -> tuple[Point, ...]:
    """The points at which the best changed, and the end of the search."""
    values = {
        candidate.id: {outcome.example: outcome.value for outcome in table.outcomes(candidate, select)}
        for candidate in table.candidates
    }
    first = values.get(start.id, {})
    if len(first) < len(select) or not select:
        return ()
    points: list[Point] = []
    covered: dict[str, set[str]] = {}
    scores: dict[str, float] = {}
    for batch in history.settled:
        measured = [(candidate, example) for candidate, example in batch.cells if example in first]
        for candidate, example in measured:
            covered.setdefault(candidate, set()).add(example)
        for candidate in dict.fromkeys(candidate for candidate, _ in measured):
            if len(covered[candidate]) >= ENOUGH * len(select):
                scores[candidate] = _score(values[candidate], first, [e for e in select if e in covered[candidate]])
        if scores and measured:
            _add(points, batch.total.calls, scores)
    return tuple(points)


def _score(own: Mapping[str, float], first: Mapping[str, float], shared: Sequence[str]) -> float:
    base = sum(first.values()) / len(first)
    return base + sum(own[example] - first[example] for example in shared) / len(shared)


def _add(points: list[Point], calls: int, scores: Mapping[str, float]) -> None:
    best = max(scores, key=lambda candidate: scores[candidate])
    point = Point(calls=calls, score=scores[best], candidate=best)
    if len(points) > 1 and all((p.score, p.candidate) == (point.score, point.candidate) for p in points[-2:]):
        points[-1] = point  # a level stretch is two points, whatever its length
    else:
        points.append(point)
