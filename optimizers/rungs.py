"""Spending evaluations: shared rungs, halving, and the choice of the best.

All candidates of a rung are measured on the same examples, so that they are compared in pairs and the examples' own
difficulty cancels. Where the verdict is cross-fitted (under 100 examples) there is one rung, all select examples:
dropping candidates early would leak into the folds. From 100 examples on there are three: a quarter, a half, all.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from treadle.compiler.graph.parameters import Candidate
    from treadle.compiler.study.optimizer import Shape
    from treadle.compiler.study.study import Pending, Study

SMALLEST = 12
"""Fewest examples on a rung."""

FINALISTS = 4
"""Candidates measured on all select examples before the choice."""

_PRIOR = 8.0  # examples' worth of "no better than the start" in a gain that rests on few


def rungs(study: Study) -> tuple[tuple[str, ...], ...]:
    """The ids of each rung, every rung the beginning of the next, the last all of the select examples."""
    ids = list(study.splits.select)
    if study.splits.cross_fitted:
        return (tuple(ids),)
    study.rng("rungs").shuffle(ids)  # a user's own split may be sorted by answer
    sizes = sorted({min(len(ids), max(SMALLEST, len(ids) // share)) for share in (4, 2, 1)})
    return tuple(tuple(ids[:size]) for size in sizes)


def planned_runs(shape: Shape, candidates: int) -> float:
    """Runs of the program that choosing between so many candidates takes."""
    if shape.cross_fitted:
        return candidates * shape.select
    runs, left = 0.0, candidates
    for share in (0.25, 0.25, 0.5):  # what each rung adds to the one below
        runs += left * share * shape.select
        left = _kept(left)
    return runs


def _kept(candidates: int) -> int:
    """How many of so many go on to the next rung."""
    return min(candidates, max(FINALISTS, (candidates + 1) // 2))


def gain(study: Study, candidate: Candidate, start: Candidate, ids: Sequence[str]) -> float:
    """Posterior mean of what the candidate adds to the start's score, from those of ``ids`` that both have.

    A gain seen on few examples is drawn towards 0, so that a lucky rung does not pass for a measured winner.
    """
    paired = study.table.paired(candidate, start, ids)
    n = len(paired.differences)
    return paired.mean * n / (n + _PRIOR)


def ranked(study: Study, candidates: Sequence[Candidate], ids: Sequence[str]) -> list[Candidate]:
    """Best mean on ``ids`` first; the earlier candidate first where means are equal."""
    return sorted(candidates, key=lambda candidate: -study.table.mean(candidate, ids).mean)


def halve(study: Study, candidates: Sequence[Candidate]) -> None:
    """Measure candidates by successive halving (Jamieson and Talwalkar 2016), at least four of them on all examples."""
    left = list(candidates)
    ladder = rungs(study)
    for ids in ladder:
        study.evaluate(left, ids)
        left = ranked(study, left, ids)[: _kept(len(left))]


def best(study: Study, start: Candidate, candidates: Sequence[Candidate]) -> Candidate:
    """The candidate that gains most on the start, or the start; the earlier one where gains are equal.

    Where the verdict is cross-fitted only candidates measured on all select examples are in the choice.
    """
    ids = study.splits.select
    known = [c for c in candidates if study.table.covers(c, ids) or not study.splits.cross_fitted]
    gains = [(gain(study, candidate, start, ids), candidate) for candidate in known]
    most, winner = max(gains, key=lambda pair: pair[0], default=(0.0, start))
    return winner if most > 0 else start


class Heats:
    """Asynchronous halving (Li et al. 2020): batch after batch starts at the bottom, and who is good enough moves up.

    A candidate moves up once it is in the better half of all that have been measured on its rung. What has been sent
    and has not landed counts for nothing, so that results do not depend on what is quick.
    """

    def __init__(self, study: Study, start: Candidate) -> None:
        self._study = study
        self._start = start
        self._ladder = rungs(study)
        self._sent: dict[Candidate, int] = {}
        self._landed: dict[Candidate, int] = {}

    def send(self, candidates: Sequence[Candidate]) -> Flight:
        """Begin measuring candidates on their next rung, and with them all that may move up."""
        going: dict[int, list[Candidate]] = {}
        for candidate in dict.fromkeys((*candidates, *self._rising())):
            rung = self._sent[candidate] = self._sent.get(candidate, -1) + 1
            going.setdefault(rung, []).append(candidate)
        groups = [(rung, group, self._study.start(group, self._ladder[rung])) for rung, group in sorted(going.items())]
        return Flight(groups)

    def land(self, flight: Flight) -> None:
        """Wait for what was sent.

        Raises:
            BudgetExhausted: The budget ended before all was measured.
        """
        for rung, group, pending in flight.groups:
            pending.wait()
            self._landed.update(dict.fromkeys(group, rung))

    def final(self) -> None:
        """Measure the best few on all examples, where they have not been."""
        by_gain = sorted(self._landed, key=lambda candidate: -(self.gain(candidate) or 0.0))
        self._study.evaluate(by_gain[:FINALISTS], self._study.splits.select)

    def gain(self, candidate: Candidate) -> float | None:
        """What the candidate adds to the start's score as far as it has landed; ``None`` before that."""
        if candidate not in self._landed:
            return None
        return gain(self._study, candidate, self._start, self._ladder[self._landed[candidate]])

    def can_deepen(self, candidate: Candidate) -> bool:
        """Whether the candidate has landed, and there are examples it has not been sent to."""
        return candidate in self._landed and self._landed[candidate] == self._sent[candidate] < len(self._ladder) - 1

    def _rising(self) -> list[Candidate]:
        rising: list[Candidate] = []
        for rung, ids in enumerate(self._ladder[:-1]):
            here = [candidate for candidate, reached in self._landed.items() if reached >= rung]
            better = ranked(self._study, here, ids)[: len(here) // 2]
            rising += [candidate for candidate in better if self._sent[candidate] == rung]
        return rising


@dataclasses.dataclass(frozen=True)
class Flight:
    """Measurements under way: by rung, the candidates and what to wait for."""

    groups: Sequence[tuple[int, Sequence[Candidate], Pending]]
