"""Making a plan, then answering along it (Wang et al., arXiv 2305.04091, plan-and-solve, section 2)."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from treadle.compiler.graph.build import GraphBuilder
from treadle.compiler.graph.nodes import Graph
from treadle.compiler.module import AnyModule, Module, Predict
from treadle.compiler.signature import Signature, Slot
from treadle.modules.counting import total
from treadle.modules.fields import about, first_few, free_name

PLANNING = "Make a plan for the task below: what to do, step by step, {count} steps at most. Do not do the task."

_PLAN = "What to do, step by step."


class Plan(Module):
    """Plans first, then answers with ``inner``, which sees the plan. LM calls: planner + inner.

    The planner has an instruction of its own (``…/plan.planner/predict.instruction``).

    Attributes:
        inner: Who answers.
        planner: Who plans.
        steps: How many steps a plan has, at most.

    >>> Plan().lm_calls()
    2
    """

    inner: AnyModule = Predict()
    planner: AnyModule = Predict()
    steps: int = Field(6, ge=1, le=20)

    def __init__(self, inner: Module | None = None, /, **knobs: Any) -> None:  # for type checkers: positional
        super().__init__(inner, **knobs)

    def build(self, signature: Signature) -> Graph:
        """The planner, then the inner graph."""
        g = GraphBuilder(self.name, signature)
        asked = Signature(
            name="planner",
            inputs=signature.inputs,
            outputs=(Slot(name="plan", annotation=list[str]),),
            instruction=about(PLANNING.format(count=self.steps), signature),
        )
        plan = first_few(g, g.module(self.planner, asked, g.inputs, role="planner"), self.steps)
        slot = Slot(name=free_name(signature, "plan"), annotation=list[str], description=_PLAN)
        return g.finish(g.module(self.inner, signature.with_inputs(slot), {**g.inputs, slot.name: plan}))

    def lm_calls(self) -> int | None:
        """Those of the planner and those of ``inner``."""
        return total(self.planner.lm_calls(), self.inner.lm_calls())
