"""Random search over demo sets (Khattab et al. 2024, DSPy, section 4: ``BootstrapFewShotWithRandomSearch``).

Candidates are the program as it is, with labelled demos only, with bootstrapped demos in the order they passed, and
with one or more of them drawn at random. Where we depart: draws are stratified by answer; candidates that come out
equal are measured once; all are measured on the same examples, which the demos do not come from; and from 100 examples
on the worse half is dropped after a quarter of them, and again after a half.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from treadle.optimizers.bootstrapping import bootstrapped_bank
from treadle.optimizers.demo_bank import as_values, searched
from treadle.optimizers.demo_sets import Recipe, fill, recipes
from treadle.optimizers.rungs import best, halve, planned_runs
from treadle.optimizers.settings import at_least
from treadle.optimizers.stopping import until_budget_ends

if TYPE_CHECKING:
    from treadle.compiler.graph.parameters import Candidate, ParameterSpace
    from treadle.compiler.study.optimizer import Shape
    from treadle.compiler.study.study import Study
    from treadle.optimizers.demo_bank import DemoBank


@dataclasses.dataclass(frozen=True, kw_only=True)
class RandomSearch:
    """Try many demo sets and keep the best.

    LM calls: one run on each of ``rows`` feedback examples, and ``sets`` candidates on the select examples; about half
    of that from 100 examples on.

    Attributes:
        sets: Candidates beside the program as it is.
        max_bootstrapped: Most bootstrapped demos a predictor gets.
        max_labeled: Labelled demos fill a predictor's demos up to this many.
        rows: Most feedback examples the teacher answers.
        threshold: Lowest score that passes, in the metric's units; a metric that returns a bool passes with true.
    """

    name: ClassVar[str] = "random_search"
    sets: int = 16
    max_bootstrapped: int = 4
    max_labeled: int = 16
    rows: int = 64
    threshold: float = 1.0

    def __post_init__(self) -> None:
        at_least(self, 0, "sets", "max_bootstrapped", "max_labeled", "rows")

    def search(self, study: Study, space: ParameterSpace) -> Candidate:
        """The best of the candidates, or the program as it is."""
        start = space.default()
        candidates: list[Candidate] = []
        with until_budget_ends(study):
            study.evaluate([start], study.splits.select)
            bank = bootstrapped_bank(
                study,
                space,
                rows=self.rows,
                threshold=self.threshold,
                wanted=self.max_bootstrapped,
                shots=self.max_labeled,
            )
            size = max(self.max_labeled, self.max_bootstrapped)
            plans = recipes(
                self.sets, max_bootstrapped=self.max_bootstrapped, max_labeled=size, rng=study.rng("recipes")
            )
            drawn = [_candidate(study, space, bank, recipe, number) for number, recipe in enumerate(plans, start=1)]
            candidates += [candidate for candidate in dict.fromkeys(drawn) if candidate != start]
            study.log("stage", name="trials")
            halve(study, candidates)
        return best(study, start, candidates)

    def plan(self, shape: Shape) -> Mapping[str, int]:
        """The teacher's runs, and the choice between the candidates."""
        runs = min(self.rows, shape.feedback) + planned_runs(shape, self.sets)
        return {"task": round(shape.calls_per_run * runs)}


def _candidate(study: Study, space: ParameterSpace, bank: DemoBank, recipe: Recipe, number: int) -> Candidate:
    drawn = {name: fill(bank, name, recipe, study.rng("demos", number, name)) for name in searched(space)}
    values = {f"{name}.demos": as_values(shown) for name, shown in drawn.items() if shown}
    return space.candidate(values, parents=(space.default().id,), origin=f"random_search set {number}")
