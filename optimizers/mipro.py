"""MIPRO: instructions and demos searched together.

Opsahl-Ong et al. 2024, "Optimizing Instructions and Demonstrations for Multi-Stage Language Model Programs", sections 4
and 5, as shipped in DSPy's MIPROv2:

1. Bootstrap demo sets for every predictor.
2. Propose instructions for every predictor, grounded in data and program.
3. Search over (instruction, demo set) per predictor with a tree-structured Parzen estimator.

Where we depart, and why:

- candidate 0 is the program as it is: it needs no proposal, and its scores are known before the search begins;
- all candidates are measured on the same examples, in pairs with the start, instead of on minibatches drawn anew, whose
  differences drown the candidates'; under 100 examples on all of them, from 100 on by halving on shared rungs;
- the first quarter of the trials is random but balanced over the options, instead of eight to ten draws whatever the
  number of trials; a menu no larger than the trials is tried out whole;
- a combination is never measured twice: where the estimator repeats itself the combination is deepened if it has been
  measured in part, else one near it takes its place;
- two batches are under way at any time and are told in the order they were asked in, so that a slow call does not
  idle the rest and the result does not depend on which call is slow.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from treadle.compiler.canonical import JSON, canonical
from treadle.compiler.errors import BudgetExhausted, ConfigurationError
from treadle.optimizers.bootstrapping import bootstrapped_bank
from treadle.optimizers.demo_bank import DemoBank, as_values, labelled_bank, searched
from treadle.optimizers.demo_sets import fill, recipes
from treadle.optimizers.menu import Menu
from treadle.optimizers.proposals import instructions, propose_instructions
from treadle.optimizers.rungs import best, halve, planned_runs
from treadle.optimizers.settings import at_least
from treadle.optimizers.stopping import until_budget_ends
from treadle.optimizers.trials import Trials

if TYPE_CHECKING:
    from treadle.compiler.graph.parameters import Candidate, ParameterSpace
    from treadle.compiler.study.optimizer import Shape
    from treadle.compiler.study.study import Study

Effort = Literal["light", "medium", "heavy"]

_BREADTH: Mapping[Effort, int] = {"light": 6, "medium": 12, "heavy": 18}


@dataclasses.dataclass(frozen=True, kw_only=True)
class MIPRO:
    """Search instructions and demo sets of all predictors together.

    With P predictors and V = 2 P parameters (P without demos) the efforts mean:

    ========  =========  ======================  =========================  ==================================
    effort    demo sets  proposals a predictor   feedback examples run      trials: max(2 V log2(n), 1.5 n)
    ========  =========  ======================  =========================  ==================================
    light     n = 6      3 (6 without demos)     48                         10, 20, 31 for P = 1, 2, 3
    medium    n = 12     6 (12 without demos)    96                         18, 28, 43
    heavy     n = 18     9 (18 without demos)    144                        27, 33, 50
    ========  =========  ======================  =========================  ==================================

    The options of a predictor are these and its original, which is one of the demo sets. LM calls: a run on each of the
    feedback examples, one for the summary of the data, one a proposal, and every trial on the select examples; about
    half of the last from 100 examples on.

    Attributes:
        effort: How much to try; the numbers below overrule it one by one.
        max_bootstrapped: Most bootstrapped demos in a set; 0 with ``max_labeled=0`` searches instructions only.
        max_labeled: Labelled demos fill a set up to this many.
        demo_sets: Demo sets a predictor has to choose from, the original among them.
        proposals: New instructions a predictor gets.
        trials: Combinations to measure beside the program as it is.
        threshold: Lowest score at which a run's steps become demos; a metric that returns a bool passes with true.
    """

    name: ClassVar[str] = "mipro"
    effort: Effort = "light"
    max_bootstrapped: int = 4
    max_labeled: int = 12
    demo_sets: int | None = None
    proposals: int | None = None
    trials: int | None = None
    threshold: float = 1.0

    def __post_init__(self) -> None:
        at_least(self, 0, "max_bootstrapped", "max_labeled", "proposals")
        at_least(self, 1, "demo_sets", "trials")
        if self.effort not in _BREADTH:
            msg = f"MIPRO(effort={self.effort!r}): effort takes {', '.join(_BREADTH)}"
            raise ConfigurationError(msg)

    def search(self, study: Study, space: ParameterSpace) -> Candidate:
        """The best combination found, or the program as it is."""
        start = space.default()
        tried: list[Candidate] = []
        with until_budget_ends(study):
            study.evaluate([start], study.splits.select)
            bank = self._bank(study, space)
            proposed = propose_instructions(study, space, bank, count=self._proposals)
            study.log("stage", name="trials")
            menu = self._menu(study, space, bank, proposed)
            trials = self._trials(sum(size > 1 for size in menu.sizes))
            if menu.size - 1 <= trials:
                self._try_all(study, space, menu, tried)
            else:
                self._estimate(study, space, menu, trials, tried)
        return best(study, start, tried)

    # --- step 1: demos

    def _bank(self, study: Study, space: ParameterSpace) -> DemoBank:
        """The demos; without runs where none are to be shown and labels give the proposer examples of every step."""
        if self._zero_shot:
            bank = labelled_bank(study, space)
            if all(bank.labelled.values()):
                return bank
        return bootstrapped_bank(
            study,
            space,
            rows=8 * _BREADTH[self.effort],
            threshold=self.threshold,
            wanted=max(1, self.max_bootstrapped),
            shots=self.max_labeled or 4,
        )

    # --- step 2: what each parameter may be

    def _menu(self, study: Study, space: ParameterSpace, bank: DemoBank, proposed: Mapping[str, list[str]]) -> Menu:
        values: dict[str, list[JSON]] = {p.address: [p.default, *proposed[p.address]] for p in instructions(space)}
        if not self._zero_shot:
            for name in searched(space):
                values[f"{name}.demos"] = [space[f"{name}.demos"].default, *self._demo_sets(study, bank, name)]
        options = {address: tuple({canonical(v): v for v in values[address]}.values()) for address in sorted(values)}
        study.log("menu", options={address: len(choices) for address, choices in options.items()})
        return Menu(options=options)

    def _demo_sets(self, study: Study, bank: DemoBank, name: str) -> list[list[JSON]]:
        size = max(self.max_labeled, self.max_bootstrapped)
        count = (self.demo_sets or _BREADTH[self.effort]) - 1
        rng = study.rng("recipes", name)
        plans = recipes(count, max_bootstrapped=self.max_bootstrapped, max_labeled=size, rng=rng)
        drawn = [fill(bank, name, recipe, study.rng("demos", name, number)) for number, recipe in enumerate(plans)]
        return [as_values(shown) for shown in drawn]

    # --- step 3: trials

    def _try_all(self, study: Study, space: ParameterSpace, menu: Menu, tried: list[Candidate]) -> None:
        tried += [menu.candidate(space, c, "mipro exhaustive") for c in menu.all() if c != menu.original]
        halve(study, tried)

    def _estimate(self, study: Study, space: ParameterSpace, menu: Menu, count: int, tried: list[Candidate]) -> None:
        trials = Trials(study, space, menu, tried)
        batch = max(1, count // 8)  # the first two batches, sent with nothing told, are then the random quarter
        try:
            for first in range(0, count, batch):
                trials.send(min(batch, count - first), random=max(0, min(batch, count // 4 - first)))
            trials.finish()
        except BudgetExhausted:
            trials.abandon()
            raise

    # --- numbers

    @property
    def _zero_shot(self) -> bool:
        return self.max_bootstrapped == self.max_labeled == 0

    @property
    def _proposals(self) -> int:
        if self.proposals is not None:
            return self.proposals
        return _BREADTH[self.effort] // (1 if self._zero_shot else 2)

    def _trials(self, parameters: int) -> int:
        if self.trials is not None:
            return self.trials
        n = _BREADTH[self.effort]
        return int(max(2 * parameters * math.log2(n), 1.5 * n))

    def plan(self, shape: Shape) -> Mapping[str, int]:
        """The runs for demos, the proposals, and the trials."""
        trials = self._trials(shape.predictors * (1 if self._zero_shot else 2))
        runs = min(8 * _BREADTH[self.effort], shape.feedback) + planned_runs(shape, trials)
        return {
            "task": round(shape.calls_per_run * runs),
            "proposer": 1 + shape.predictors * self._proposals,
        }
