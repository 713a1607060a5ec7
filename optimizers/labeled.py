"""Labelled demos, the simplest of optimizers (Khattab et al. 2024, DSPy, section 4: ``LabeledFewShot``).

Where we depart: DSPy draws k examples at random and returns the program with them, better or not. Here the draw is one
stratified by answer, and the program keeps it only if it scores higher than before on the select examples.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from treadle.compiler.errors import DataError
from treadle.optimizers.demo_bank import as_values, labelled_bank, searched, stratified
from treadle.optimizers.rungs import best
from treadle.optimizers.settings import at_least
from treadle.optimizers.stopping import until_budget_ends

if TYPE_CHECKING:
    from treadle.compiler.graph.parameters import Candidate, ParameterSpace
    from treadle.compiler.study.optimizer import Shape
    from treadle.compiler.study.study import Study


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabeledFewShot:
    """Show each step labelled feedback examples.

    A label makes demos for the step it is named after (``triage``, or ``reply.text`` for one field); other labels make
    none. LM calls: those of one candidate on the select examples.

    Attributes:
        k: Most demos a predictor gets.
    """

    name: ClassVar[str] = "labeled"
    k: int = 16

    def __post_init__(self) -> None:
        at_least(self, 1, "k")

    def search(self, study: Study, space: ParameterSpace) -> Candidate:
        """The program with demos, or as it is where they do not help.

        Raises:
            DataError: No label is named like a step that reads what the example gives.
        """
        start, bank = space.default(), labelled_bank(study, space)
        if not any(bank.labelled.values()):
            raise DataError(_nothing_labelled(study, space))
        drawn = {name: stratified(pool, self.k, study.rng("labeled", name)) for name, pool in bank.labelled.items()}
        demos = {f"{name}.demos": as_values(shown) for name, shown in drawn.items() if shown}
        labelled = space.candidate(demos, parents=(start.id,), origin="labeled")
        with until_budget_ends(study):
            study.evaluate([start, labelled], study.splits.select)
        return best(study, start, [labelled])

    def plan(self, shape: Shape) -> Mapping[str, int]:
        """One candidate on all select examples."""
        return {"task": round(shape.calls_per_run * shape.select)}


def _nothing_labelled(study: Study, space: ParameterSpace) -> str:
    labels = list(dict.fromkeys(name for i in study.splits.feedback for name in study.example(i).labels))
    return (
        f"no labelled demo can be made: the steps are {', '.join(searched(space)) or 'none'}, the data's labels "
        f"{', '.join(labels) or 'none'}. Name a label after the step whose answer it is, with "
        "fields={'label': 'step'}; a step that reads what a function made gets demos from optimizer='bootstrap'"
    )
