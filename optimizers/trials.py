"""Trials: combinations of a menu, asked of a model in batches and measured.

Two batches are under way at any time: batch k is asked when batch k - 2 has been told. The lag is fixed, so which
combinations are asked for does not depend on how long anything takes.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from treadle.compiler.errors import BudgetExhausted
from treadle.optimizers.objectives import Objectives
from treadle.optimizers.rungs import Flight, Heats
from treadle.optimizers.sampling import Observation, Sampler, SamplerName, samplers

if TYPE_CHECKING:
    from treadle.compiler.graph.parameters import Candidate, ParameterSpace
    from treadle.compiler.study.study import Study
    from treadle.optimizers.menu import Combination, Menu

IN_FLIGHT = 2
"""Batches under way."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """How trials are made.

    Attributes:
        name: Of the search they belong to; stands in random keys and in the candidates' origins.
        sampler: What asks for combinations.
        ladder: The examples of each rung.
        objectives: Names of further objectives.
    """

    name: str
    sampler: SamplerName
    ladder: Sequence[Sequence[str]]
    objectives: tuple[str, ...] = ()


class Trials:
    """The trials of one search, in the order they are asked in.

    Attributes:
        menu: What can be combined; may be extended between batches.
    """

    def __init__(
        self, study: Study, space: ParameterSpace, menu: Menu, base: Candidate, plan: Plan, tried: list[Candidate]
    ) -> None:
        """Begin.

        Args:
            study: Measures.
            space: Makes candidates.
            menu: What can be combined; must have more combinations than will be asked for.
            base: The candidate that combination 0 is, and that others are compared with.
            plan: How trials are made.
            tried: The search's own list of candidates; those sent are added to it.
        """
        self.menu = menu
        self._study = study
        self._space = space
        self._base = base
        self._plan = plan
        self._tried = tried
        self._heats = Heats(study, base, plan.ladder)
        self._objectives = Objectives(study, base, plan.objectives)
        self._asked: dict[Combination, Candidate] = {}
        self._number = 0  # of trials asked for, those that deepen a combination counted
        self._flights: collections.deque[tuple[list[Combination], Flight]] = collections.deque()

    @property
    def number(self) -> int:
        """Trials asked for so far."""
        return self._number

    def send(self, count: int, *, random: int = 0, first: Sequence[Combination] = ()) -> None:
        """Ask for a batch and begin measuring it.

        Args:
            count: Trials in the batch.
            random: How many of them come at random rather than from the model.
            first: Combinations to begin with, as far as they are new.

        Raises:
            BudgetExhausted: The budget ended while an earlier batch was measured.
        """
        if len(self._flights) == IN_FLIGHT:
            self._land()
        known = set(self._known([]))
        batch = [c for c in dict.fromkeys(first) if c not in known][:count]
        drawn = min(random, count - len(batch))
        rng = self._study.rng(f"{self._plan.name}.random", self._number)
        batch += self.menu.balanced(drawn, self._known(batch), rng)
        batch += self._suggested(count - len(batch), batch)
        self._number += count
        for combination in batch:
            if combination not in self._asked:
                self._asked[combination] = self._candidate(combination)
                self._tried.append(self._asked[combination])
        self._flights.append((batch, self._heats.send([self._asked[combination] for combination in batch])))

    def leader(self) -> tuple[Combination, Candidate]:
        """Who gains most as far as batches have landed; the base where nobody gains."""
        best = next(iter(self._heats.leaders(1)), self._base)
        if (self._heats.gain(best) or 0.0) <= 0:
            best = self._base
        return next((c for c, made in self._asked.items() if made == best), self.menu.original), best

    def observations(self) -> list[Observation]:
        """What is known of the combinations, in trial order, the original first."""
        zero = Observation(combination=self.menu.original, value=0.0, further=(0.0,) * len(self._plan.objectives))
        return [zero, *(self._observation(c, candidate) for c, candidate in self._asked.items())]

    def finish(self) -> None:
        """Wait for what is under way, and measure the best few on the last rung.

        Raises:
            BudgetExhausted: The budget ended before all was measured.
        """
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
            choice = dict(zip(self.menu.options, combination, strict=True))
            self._study.log("trial", candidate=candidate.id, choice=choice, gain=self._heats.gain(candidate))

    def _suggested(self, count: int, batch: list[Combination]) -> list[Combination]:
        """What the model asks for; in place of what has been measured in full, a combination near it."""
        if count < 1:
            return []
        model = self._model(batch)
        chosen: list[Combination] = []
        for _ in range(count):
            number = self._number + len(batch) + len(chosen)
            seed = self._study.rng(f"{self._plan.name}.{self._plan.sampler}", number).getrandbits(32)
            combination = model.suggest(seed)
            known = self._known([*batch, *chosen])
            if combination in known and not self._deepens(combination, [*batch, *chosen]):
                near = self._study.rng(f"{self._plan.name}.near", number)
                combination = self.menu.fresh(combination, known, near)
            if combination not in known:
                model.tell(Observation(combination=combination, value=None))
            chosen.append(combination)
        return chosen

    def _model(self, batch: list[Combination]) -> Sampler:
        pending = [Observation(combination=combination, value=None) for combination in batch]
        return samplers()[self._plan.sampler](self.menu, [*self.observations(), *pending])

    def _observation(self, combination: Combination, candidate: Candidate) -> Observation:
        ids = self._heats.landed_on(candidate)
        if ids is None:
            return Observation(combination=combination, value=None)
        return Observation(
            combination=combination,
            value=self._heats.gain(candidate),
            error=self._study.table.paired(candidate, self._base, ids).error,
            further=self._objectives.gains(candidate, ids),
        )

    def _known(self, further: list[Combination]) -> list[Combination]:
        return [self.menu.original, *self._asked, *further]

    def _deepens(self, combination: Combination, chosen: list[Combination]) -> bool:
        candidate = self._asked.get(combination)
        return candidate is not None and combination not in chosen and self._heats.can_deepen(candidate)

    def _candidate(self, combination: Combination) -> Candidate:
        origin = f"{self._plan.name} trial {len(self._asked) + 1}"
        return self.menu.candidate(self._space, combination, origin, self._base)


def run_in_rounds(
    trials: Trials,
    count: int,
    *,
    rounds: int = 1,
    renew: Callable[[Trials], Sequence[Combination]] = lambda _: (),
    first: Sequence[Combination] = (),
) -> None:
    """Run trials in batches, and measure the best few on the last rung.

    Args:
        trials: Fresh ones.
        count: How many to run; fewer where the menu has fewer combinations.
        rounds: Into how many parts the trials are divided.
        renew: Called at each round's end but the last: may put further options on the menu, and says which combinations
            to try first. They get half of the next round at most.
        first: Combinations to begin with.

    Raises:
        BudgetExhausted: The budget ended; what was under way has been waited for.
    """
    batch = max(1, count // 8)  # the first two batches, sent with nothing told, are then the random quarter
    try:
        for number in range(1, rounds + 1):
            end = round(count * number / rounds)
            while (room := min(end, trials.menu.size - 1) - trials.number) > 0:
                everything = trials.menu.size - 1 <= end  # a menu no larger than the trials is tried out whole
                size = room if everything else min(batch, room)
                trials.send(size, random=size if everything else count // 4 - trials.number, first=first)
                first = first[size:]
            if number < rounds and trials.number < count:
                end = round(count * (number + 1) / rounds)
                first = list(renew(trials))[: max(1, (end - trials.number) // 2)]  # the other half is the sampler's
        trials.finish()
    except BudgetExhausted:
        trials.abandon()
        raise
