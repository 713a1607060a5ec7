"""Spending evaluations: shared rungs, halving, and the choice of the best.

All candidates of a rung are measured on the same examples, so that they are compared in pairs and the examples' own
difficulty cancels. Where the verdict is cross-fitted (under 100 examples) there is one rung, all select examples:
dropping candidates early would leak into the folds. From 100 examples on there are three: a quarter, a half, all.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from treadle.compiler.graph.parameters import Candidate
    from treadle.compiler.study.optimizer import Shape
    from treadle.compiler.study.study import Pending, Study

SMALLEST = 12
"""Fewest examples on a rung."""

FINALISTS = 4
"""Candidates measured on all select examples before the choice."""

_TELLING = 4  # values beside the commonest that make two candidates alike: that all are right is no sign
_ROUNDS = 10  # times the last rung that choosing between some thirty candidates takes
_PRIOR = 8.0  # examples' worth of "no better than the start" in a gain that rests on few


def rungs(study: Study, runs: float = math.inf) -> tuple[tuple[str, ...], ...]:
    """The ids of each rung, every rung the beginning of the next, the last all of the select examples.

    Args:
        study: Gives the examples.
        runs: Runs that choosing may take. Where they do not reach for ten times the select examples, fewer of these
            are used: a choice between several on some is worth more than one candidate on all.
    """
    ids = list(study.splits.select)
    if study.splits.cross_fitted:
        return (tuple(ids),)
    study.rng("rungs").shuffle(ids)  # a user's own split may be sorted by answer
    most = min(len(ids), max(SMALLEST, int(min(runs, 1e9) / _ROUNDS)))
    sizes = sorted({min(most, max(SMALLEST, most // share)) for share in (4, 2, 1)})
    return tuple(tuple(ids[:size]) for size in sizes)


def runs_left(study: Study, start: Candidate) -> float:
    """Runs like those of ``start`` so far that the rest of the budget pays for; infinite where nothing caps it.

    Calls count as they are charged: where many runs ask the same, their calls are charged once.
    """
    outcomes, left = study.table.outcomes(start), study.left
    calls = math.fsum(outcome.calls for outcome in outcomes) * _charged(study)
    tokens = math.fsum(outcome.usage.input_tokens + outcome.usage.output_tokens for outcome in outcomes)
    usd = math.fsum(outcome.cost or 0.0 for outcome in outcomes)
    pairs = ((left.calls, calls), (left.tokens, tokens), (left.usd, usd))
    reach = [cap * len(outcomes) / used for cap, used in pairs if cap is not None and used]
    return min(reach, default=math.inf)


def _charged(study: Study) -> float:
    """The share of the runs' calls that was charged."""
    made = sum(outcome.calls for candidate in study.table.candidates for outcome in study.table.outcomes(candidate))
    charged = study.spend.by_role.get("task")
    return min(1.0, charged.calls / made) if charged is not None and made else 1.0


def affordable(ladder: Sequence[Sequence[str]], runs: float, wanted: int) -> int:
    """How many candidates, at most ``wanted`` and at least one, can be chosen between on the ladder in so many runs."""
    sizes = [len(ids) for ids in ladder]
    count = max(1, wanted)
    while count > 1 and _choosing(sizes, count) > runs:
        count -= 1
    return count


def planned_runs(shape: Shape, candidates: int) -> float:
    """Runs of the program that choosing between so many candidates takes."""
    if shape.cross_fitted:
        return candidates * shape.select
    return _choosing([shape.select * share for share in (0.25, 0.5, 1.0)], candidates)


def charged_share(shape: Shape, candidates: int, prompts: int) -> float:
    """Share of the calls of so many candidates' runs that is charged: those of steps that share a prompt are once.

    Args:
        shape: Says how many steps there are, and how many of their calls can be shared.
        candidates: How many combinations of prompts are measured, no two the same.
        prompts: Prompts each step may have, drawn alike.
    """
    if shape.predictors < 2 or candidates < 2:
        return 1.0
    different = prompts * (1 - (1 - 1 / prompts) ** candidates)
    return 1 - shape.independent * (1 - different / candidates)


def _choosing(sizes: Sequence[float], candidates: int) -> float:
    runs, left, below = 0.0, candidates, 0.0
    for size in sizes:
        runs += left * (size - below)
        left, below = _kept(left), size
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


def halve(
    study: Study, candidates: Sequence[Candidate], ladder: Sequence[Sequence[str]] | None = None
) -> list[Candidate]:
    """Measure candidates by successive halving (Jamieson and Talwalkar 2016); at least four reach the last rung.

    Returns:
        Those that did, best first.

    Raises:
        BudgetExhausted: The budget ended before all was measured.
    """
    left = list(candidates)
    for ids in ladder or rungs(study):
        study.evaluate(left, ids)
        left = ranked(study, left, ids)[: _kept(len(left))]
    return left


def best(study: Study, start: Candidate, candidates: Sequence[Candidate]) -> Candidate:
    """The candidate that gains most on the start, or the start; the earlier one where gains are equal.

    Where the verdict is cross-fitted only candidates measured on all select examples are in the choice. Otherwise those
    are that have been measured on the most, at least four: among hundreds on a quarter of the examples the luckiest
    looks better than any that was measured in full.
    """
    ids = study.splits.select
    sizes = {candidate: len(study.table.outcomes(candidate, ids)) for candidate in candidates}
    few = len(ids) if study.splits.cross_fitted else min(sorted(sizes.values())[-FINALISTS:], default=0)
    gains = [(gain(study, candidate, start, ids), candidate) for candidate in candidates if sizes[candidate] >= few]
    most, winner = max(gains, key=lambda pair: pair[0], default=(0.0, start))
    return winner if most > 0 else start


class Heats:
    """Asynchronous halving (Li et al. 2020): batch after batch starts at the bottom, and who is good enough moves up.

    A candidate moves up once it is in the better half of all that have been measured on its rung. What has been sent
    and has not landed counts for nothing, so that results do not depend on what is quick.
    """

    def __init__(self, study: Study, start: Candidate, ladder: Sequence[Sequence[str]]) -> None:
        """Begin.

        Args:
            study: Measures.
            start: What candidates are compared with; it is measured where they are.
            ladder: The examples of each rung.
        """
        self._study = study
        self._start = start
        self._ladder = ladder
        self._sent: dict[Candidate, int] = {}
        self._landed: dict[Candidate, int] = {}

    def send(self, candidates: Sequence[Candidate]) -> Flight:
        """Begin measuring candidates on their next rung, and with them all that may move up."""
        going: dict[int, list[Candidate]] = {}
        for candidate in dict.fromkeys((*candidates, *self._rising())):
            rung = self._sent[candidate] = self._sent.get(candidate, -1) + 1
            going.setdefault(rung, []).append(candidate)
        groups = [(rung, group, self._start_on(rung, group)) for rung, group in sorted(going.items())]
        return Flight(groups)

    def _start_on(self, rung: int, group: Sequence[Candidate]) -> Pending:
        ids = self._ladder[rung]
        first = [] if self._study.table.covers(self._start, ids) else [self._start]
        return self._study.start([*first, *group], ids)

    def land(self, flight: Flight) -> None:
        """Wait for what was sent.

        Raises:
            BudgetExhausted: The budget ended before all was measured.
        """
        for rung, group, pending in flight.groups:
            pending.wait()
            self._landed.update(dict.fromkeys(group, rung))

    def final(self) -> None:
        """Measure the best few on the last rung, where they have not been.

        Raises:
            BudgetExhausted: The budget ended before all was measured.
        """
        leaders = self._unlike(self.leaders(len(self._landed)))
        self._study.evaluate([self._start, *leaders[:FINALISTS]], self._ladder[-1])

    def leaders(self, count: int) -> list[Candidate]:
        """The candidates that gain most as far as they have landed, best first; the earlier first in a tie."""
        return sorted(self._landed, key=lambda candidate: -(self.gain(candidate) or 0.0))[:count]

    def gain(self, candidate: Candidate) -> float | None:
        """What the candidate adds to the start's score as far as it has landed; ``None`` before that."""
        ids = self.landed_on(candidate)
        return None if ids is None else gain(self._study, candidate, self._start, ids)

    def landed_on(self, candidate: Candidate) -> Sequence[str] | None:
        """The examples the candidate has landed on; ``None`` before that."""
        return self._ladder[self._landed[candidate]] if candidate in self._landed else None

    def can_deepen(self, candidate: Candidate) -> bool:
        """Whether the candidate has landed, and there are examples it has not been sent to."""
        return candidate in self._landed and self._landed[candidate] == self._sent[candidate] < len(self._ladder) - 1

    def _rising(self) -> list[Candidate]:
        rising: list[Candidate] = []
        for rung, ids in enumerate(self._ladder[:-1]):
            here = [candidate for candidate, reached in self._landed.items() if reached >= rung]
            better = ranked(self._study, here, ids)[: len(here) // 2]
            ahead = [candidate for candidate in here if self._sent[candidate] > rung]
            unlike = self._unlike([*ahead, *better])
            rising += [candidate for candidate in better if self._sent[candidate] == rung and candidate in unlike]
        return rising

    def _unlike(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Without those that did on each of their examples what one before them did: it stands for them."""
        found: list[tuple[Candidate, dict[str, float]]] = []
        for candidate in candidates:
            values = self._values(candidate)
            if not any(_alike(values, before) for _, before in found):
                found.append((candidate, values))
        return [candidate for candidate, _ in found]

    def _values(self, candidate: Candidate) -> dict[str, float]:
        ids = self._ladder[self._landed[candidate]]
        return {outcome.example: outcome.value for outcome in self._study.table.outcomes(candidate, ids)}


def _alike(these: Mapping[str, float], those: Mapping[str, float]) -> bool:
    """Whether both have the same value on every example they share, and these values say enough to call them alike."""
    if any(those.get(example, value) != value for example, value in these.items()):
        return False
    shared = Counter(value for example, value in these.items() if example in those)
    return shared.total() - max(shared.values()) >= _TELLING


@dataclasses.dataclass(frozen=True)
class Flight:
    """Measurements under way: by rung, the candidates and what to wait for."""

    groups: Sequence[tuple[int, Sequence[Candidate], Pending]]
