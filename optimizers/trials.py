"""Trials: combinations of a menu, asked of a model in batches and measured.

Two batches are under way at any time: batch k is asked when batch k - 2 has been told. The lag is fixed, so which
combinations are asked for does not depend on how long anything takes.
"""

from __future__ import annotations

import collections
import contextlib
from typing import TYPE_CHECKING

from treadle.compiler.errors import BudgetExhausted
from treadle.optimizers.menu import Combination, Menu
from treadle.optimizers.rungs import Flight, Heats
from treadle.optimizers.tpe import Estimator

if TYPE_CHECKING:
    from treadle.compiler.graph.parameters import Candidate, ParameterSpace
    from treadle.compiler.study.study import Study

IN_FLIGHT = 2
"""Batches under way."""


class Trials:
    """The trials of one search, in the order they are asked in."""

    def __init__(self, study: Study, space: ParameterSpace, menu: Menu, tried: list[Candidate]) -> None:
        """Begin.

        Args:
            study: Measures.
            space: Makes candidates.
            menu: What can be combined; must have more combinations than will be asked for.
            tried: The search's own list of candidates; those sent are added to it.
        """
        self._study = study
        self._space = space
        self._menu = menu
        self._tried = tried
        self._heats = Heats(study, space.default())
        self._asked: dict[Combination, Candidate] = {}
        self._number = 0  # of trials asked for, those that deepen a combination counted
        self._flights: collections.deque[tuple[list[Combination], Flight]] = collections.deque()

    def send(self, count: int, *, random: int) -> None:
        """Ask for a batch and begin measuring it.

        Args:
            count: Trials in the batch.
            random: How many of them come at random rather than from the model.
        """
        if len(self._flights) == IN_FLIGHT:
            self._land()
        rng = self._study.rng("mipro.random", self._number)
        batch = self._menu.balanced(random, self._known([]), rng)
        batch += self._suggested(count - random, batch)
        self._number += count
        for combination in batch:
            if combination not in self._asked:
                self._asked[combination] = self._candidate(combination)
                self._tried.append(self._asked[combination])
        self._flights.append((batch, self._heats.send([self._asked[combination] for combination in batch])))

    def finish(self) -> None:
        """Wait for what is under way, and measure the best few on all examples."""
        while self._flights:
            self._land()
        self._heats.final()

    def abandon(self) -> None:
        """Wait for what is under way, as far as the budget reaches: it has been paid for."""
        for _, flight in self._flights:
            for _, _, pending in flight.groups:
                with contextlib.suppress(BudgetExhausted):
                    pending.wait()
        self._flights.clear()

    def _land(self) -> None:
        batch, flight = self._flights[0]
        self._heats.land(flight)
        self._flights.popleft()
        for combination in batch:
            candidate = self._asked[combination]
            choice = dict(zip(self._menu.options, combination, strict=True))
            self._study.log("trial", candidate=candidate.id, choice=choice, gain=self._heats.gain(candidate))

    def _suggested(self, count: int, batch: list[Combination]) -> list[Combination]:
        """What the model asks for; in place of what has been measured in full, a combination near it."""
        if not count:
            return []
        model = self._model(batch)
        chosen: list[Combination] = []
        for _ in range(count):
            number = self._number + len(batch) + len(chosen)
            combination = model.suggest(self._study.rng("mipro.tpe", number).getrandbits(32))
            known = self._known([*batch, *chosen])
            if combination in known and not self._deepens(combination, chosen):
                combination = self._menu.fresh(combination, known, self._study.rng("mipro.near", number))
            if combination not in known:
                model.tell(combination, None)
            chosen.append(combination)
        return chosen

    def _model(self, batch: list[Combination]) -> Estimator:
        measured = [(combination, self._heats.gain(candidate)) for combination, candidate in self._asked.items()]
        pending = [(combination, None) for combination in batch]
        return Estimator(self._menu, [(self._menu.original, 0.0), *measured, *pending])

    def _known(self, further: list[Combination]) -> list[Combination]:
        return [self._menu.original, *self._asked, *further]

    def _deepens(self, combination: Combination, chosen: list[Combination]) -> bool:
        candidate = self._asked.get(combination)
        return candidate is not None and combination not in chosen and self._heats.can_deepen(candidate)

    def _candidate(self, combination: Combination) -> Candidate:
        return self._menu.candidate(self._space, combination, f"mipro trial {len(self._asked) + 1}")
