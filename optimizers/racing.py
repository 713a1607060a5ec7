"""Paired racing: children against an incumbent, on examples shared in a fresh order, dropped as soon as they trail.

After the racing of configurations by blocks (Zehle et al. 2025, CAPO), with two lessons of our own
simulations: the order is drawn anew for each race, because a fixed one overfits its beginning, and who wins a race is
measured on all examples before the last word, because races chain noise.

Each race begins on a few feedback examples, with traces: that is a cheap gate, and what a winner fails there is the
material for changing it next, already paid for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from treadle.optimizers.demo_bank import DemoBank, shown_in

if TYPE_CHECKING:
    from treadle.compiler.graph.parameters import Candidate
    from treadle.compiler.study.outcome import Outcome
    from treadle.compiler.study.study import Study

GATE = 8
"""Feedback examples a race begins on."""

BLOCKS = (8, 16, 32, 64, 128)
"""Select examples by which a child is judged again, counted from the first; then all."""

PROMOTE = 0.8
"""Standard errors by which a child must lead, from 24 examples on."""

_LEAST = 24  # examples before anyone is promoted
_LATE, _BEHIND = 32, 0.3  # examples from which on a lead below so many standard errors is none


class Race:
    """Races against one incumbent after another.

    Attributes:
        incumbent: Who is to be beaten.
        elites: Incumbents so far, the newest first.
    """

    def __init__(self, study: Study, bank: DemoBank, incumbent: Candidate) -> None:
        """Begin.

        Args:
            study: Measures.
            bank: Says which feedback examples a candidate shows.
            incumbent: The first.
        """
        self.incumbent = incumbent
        self.elites = [incumbent]
        self._study = study
        self._bank = bank
        self._number = 0
        self._traced: dict[Candidate, dict[str, Outcome]] = {}

    def evidence(self, candidate: Candidate) -> list[Outcome]:
        """The candidate's runs at the gates so far, with traces."""
        return list(self._traced.get(candidate, {}).values())

    def run(self, children: Sequence[Candidate]) -> Candidate | None:
        """Race children; the best of those that win becomes the incumbent.

        Returns:
            The new incumbent, or ``None`` where the old one stays.

        Raises:
            BudgetExhausted: The budget ended; the incumbent is as it was.
        """
        self._number += 1
        left = self._through_gate(children)
        order = list(self._study.splits.select)
        self._study.rng("race", self._number).shuffle(order)
        winners: list[Candidate] = []
        for size in [*(size for size in BLOCKS if size < len(order)), len(order)]:
            if not left:
                break
            ids = order[:size]
            self._study.evaluate([self.incumbent, *left], ids)
            ahead = [child for child in left if not self._won(child, ids, len(order))]
            winners += [child for child in left if child not in ahead]
            left = [child for child in ahead if not self._trails(child, ids)]
        if not winners:
            return None
        best = max(winners, key=lambda child: self._study.table.paired(child, self.incumbent, order).mean)
        self._study.log("promoted", candidate=best.id, over=self.incumbent.id)
        self.incumbent = best
        self.elites = [best, *(elite for elite in self.elites if elite != best)]
        return best

    def _through_gate(self, children: Sequence[Candidate]) -> list[Candidate]:
        shown = set().union(*(shown_in(self._bank, candidate) for candidate in (self.incumbent, *children)))
        ids = [example for example in self._study.splits.feedback if example not in shown]
        self._study.rng("gate", self._number).shuffle(ids)
        racing = [self.incumbent, *children]
        for candidate, outcomes in zip(racing, self._study.evaluate(racing, ids[:GATE], traces=True), strict=True):
            self._traced.setdefault(candidate, {}).update({outcome.example: outcome for outcome in outcomes})
        paired = [self._study.table.paired(child, self.incumbent, ids[:GATE]).mean for child in children]
        return [child for child, ahead in zip(children, paired, strict=True) if ahead >= 0]

    def _lead(self, child: Candidate, ids: Sequence[str]) -> tuple[float, float]:
        """Mean paired difference to the incumbent, and the same in standard errors."""
        paired = self._study.table.paired(child, self.incumbent, ids)
        if paired.error == 0:
            return paired.mean, math.copysign(math.inf, paired.mean) if paired.mean else 0.0
        return paired.mean, paired.mean / paired.error

    def _won(self, child: Candidate, ids: Sequence[str], all_of: int) -> bool:
        mean, errors = self._lead(child, ids)
        return (len(ids) >= _LEAST and errors > PROMOTE) or (len(ids) == all_of and mean > 0)

    def _trails(self, child: Candidate, ids: Sequence[str]) -> bool:
        mean, errors = self._lead(child, ids)
        if len(ids) < _LEAST:
            return mean < 0
        return mean <= 0 or (len(ids) >= _LATE and errors <= _BEHIND)
