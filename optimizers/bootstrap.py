"""Bootstrapped demos (Khattab et al. 2024, DSPy, section 4: ``BootstrapFewShot``).

The teacher, which is the program with labelled demos where there are any, answers feedback examples; the steps of the
runs whose score passes become demos. Where we depart: the teacher never sees the example it answers; a predictor gets
one demo an example at most, evenly over the answers; with fewer passing traces than demos wanted it keeps to labelled
ones; and the result is kept only if it scores higher than before on the select examples.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from treadle.optimizers.bootstrapping import bootstrapped_bank
from treadle.optimizers.demo_bank import as_values, searched
from treadle.optimizers.demo_sets import Recipe, fill
from treadle.optimizers.rungs import best
from treadle.optimizers.settings import at_least
from treadle.optimizers.stopping import until_budget_ends

if TYPE_CHECKING:
    from treadle.compiler.graph.parameters import Candidate, ParameterSpace
    from treadle.compiler.study.optimizer import Shape
    from treadle.compiler.study.study import Study


@dataclasses.dataclass(frozen=True, kw_only=True)
class BootstrapFewShot:
    """Show each step what the program itself got right, and labelled examples beside it.

    LM calls: one run on each of ``rows`` feedback examples, and one candidate on the select examples.

    Attributes:
        max_bootstrapped: Most bootstrapped demos a predictor gets.
        max_labeled: Labelled demos fill a predictor's demos up to this many.
        rows: Most feedback examples the teacher answers.
        threshold: Lowest score that passes, in the metric's units; a metric that returns a bool passes with true.
    """

    name: ClassVar[str] = "bootstrap"
    max_bootstrapped: int = 4
    max_labeled: int = 16
    rows: int = 64
    threshold: float = 1.0

    def __post_init__(self) -> None:
        at_least(self, 0, "max_bootstrapped", "max_labeled", "rows")

    def search(self, study: Study, space: ParameterSpace) -> Candidate:
        """The program with demos, or as it is where they do not help."""
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
            recipe = Recipe(bootstrapped=self.max_bootstrapped, size=max(self.max_labeled, self.max_bootstrapped))
            demos = {f"{name}.demos": fill(bank, name, recipe, study.rng("demos", name)) for name in searched(space)}
            values = {address: as_values(shown) for address, shown in demos.items() if shown}
            candidates.append(space.candidate(values, parents=(start.id,), origin="bootstrap"))
            study.log("stage", name="trials")
            study.evaluate(candidates, study.splits.select)
        return best(study, start, candidates)

    def plan(self, shape: Shape) -> Mapping[str, int]:
        """The teacher's runs, and one candidate on all select examples."""
        return {"task": round(shape.calls_per_run * (min(self.rows, shape.feedback) + shape.select))}
