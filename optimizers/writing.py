"""The instructions of a search: the first ones, those written again from failures, and what is learned about asking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from treadle.optimizers.demo_bank import shown_in
from treadle.optimizers.proposals import Proposed, instructions, propose_instructions, summary
from treadle.optimizers.proposer_options import Way, fixed_ways, learned_ways, varied_ways
from treadle.optimizers.revisions import revise_instructions
from treadle.optimizers.thompson import MainEffects

if TYPE_CHECKING:
    from treadle.compiler.canonical import JSON
    from treadle.compiler.graph.parameters import Candidate, ParameterSpace
    from treadle.compiler.study.outcome import Outcome
    from treadle.compiler.study.study import Study
    from treadle.optimizers.demo_bank import DemoBank
    from treadle.optimizers.trials import Trials


class Writing:
    """Asks for instructions, in rounds.

    Args:
        study: Where they are asked for and paid.
        space: Gives the predictors.
        bank: The worked examples to show.
        threshold: Lowest score of a run that did not fail.
        learn: Whether ways to ask are varied and learned.
    """

    def __init__(self, study: Study, space: ParameterSpace, bank: DemoBank, *, threshold: float, learn: bool) -> None:
        self._study = study
        self._space = space
        self._bank = bank
        self._threshold = threshold
        self._learn = learn
        self._data = ""
        self._rounds = 0
        self._worth: list[tuple[Way, float, float]] = []
        self._written: dict[str, list[Proposed]] = {p.address: [] for p in instructions(space)}

    @property
    def texts(self) -> dict[str, list[JSON]]:
        """All instructions so far, by address."""
        return {address: [proposed.text for proposed in written] for address, written in self._written.items()}

    def first(self, base: Candidate, count: int) -> None:
        """Ask for the first instructions of every predictor, from worked examples.

        Raises:
            BudgetExhausted: The budget ended before all were written.
        """
        if not count:
            return
        self._data = summary(self._study)
        choose = varied_ways if self._learn else fixed_ways
        ways = {address: choose(count, self._study.rng("ways", address)) for address in self._written}
        self._keep(propose_instructions(self._study, self._space, self._bank, ways=ways, base=base, data=self._data))

    def again(self, trials: Trials, outcomes: Sequence[Outcome], count: int) -> dict[str, list[JSON]]:
        """Write ``count`` instructions of each predictor that failed in runs of the best program so far.

        Raises:
            BudgetExhausted: The budget ended before all were written.
        """
        if self._learn:
            self._learn_from(trials)
        found = self.revise(trials.leader()[1], outcomes, count)
        return {address: [proposed.text for proposed in new] for address, new in found.items()}

    def runs(self, candidate: Candidate, rows: int) -> list[Outcome]:
        """Runs of the candidate, with traces, on feedback examples it does not show.

        Raises:
            BudgetExhausted: The budget ended before all were made.
        """
        shown = shown_in(self._bank, candidate)
        ids = [example for example in self._study.splits.feedback if example not in shown]
        self._study.rng("failing", candidate.id).shuffle(ids)
        return self._study.evaluate([candidate], ids[:rows], traces=True)[0]

    def revise(self, base: Candidate, outcomes: Sequence[Outcome], count: int) -> dict[str, list[Proposed]]:
        """``count`` instructions of each predictor that failed in the runs of ``base``.

        Raises:
            BudgetExhausted: The budget ended before all were written.
        """
        self._rounds += 1
        ways = {address: self._ways(address, count) for address in self._written}
        found = revise_instructions(
            self._study, self._space, self._bank, outcomes, ways=ways, base=base, data=self._data,
            threshold=self._threshold, key=f"revision {self._rounds}",
        )  # fmt: skip
        self._keep(found)
        return found

    def _ways(self, address: str, count: int) -> list[Way]:
        rng = self._study.rng("ways", address, self._rounds)
        return learned_ways(count, self._worth, rng) if self._worth else fixed_ways(count, rng)

    def _learn_from(self, trials: Trials) -> None:
        """Note what the ways instructions were asked for in gain, by the main effects of the trials."""
        menu = trials.menu
        effects = dict(zip(menu.options, MainEffects(menu, trials.observations()).effects(), strict=True))
        self._worth = [
            (proposed.way, *effects[address][menu.options[address].index(proposed.text)])
            for address, written in self._written.items()
            for proposed in written
        ]
        said = [{**way.to_json(), "gain": round(mean, 6), "error": round(error, 6)} for way, mean, error in self._worth]
        self._study.log("ways", ways=said)

    def _keep(self, found: dict[str, list[Proposed]]) -> None:
        for address, new in found.items():
            self._written[address] += new
