"""Different points of view instead of different samples.

Errors of one prompt, sampled again, are alike; those of different prompts are less so. Naik et al., arXiv 2310.07088
(DIV-SE: approaches); Long et al., arXiv 2411.00492 (Multi-expert prompting: experts).
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from treadle.compiler.graph.build import GraphBuilder
from treadle.compiler.graph.nodes import Graph
from treadle.compiler.module import AnyModule, AnyOp, Module, Predict
from treadle.compiler.signature import Signature, Slot
from treadle.modules.combining import How, combine, combine_calls
from treadle.modules.counting import product, total
from treadle.modules.fields import free_name
from treadle.modules.judging import Judge
from treadle.modules.ops import value_key

_VIEW = "Answer from this point of view, or by this approach."


class Panel(Module):
    """Asks ``inner`` once from each point of view and combines the answers. LM calls: members × inner + combining.

    Combining costs what it costs in ``Vote``. The prompts differ, so any temperature will do.

    Attributes:
        inner: Who answers.
        members: Points of view or approaches in words: ``"a careful accountant"``, ``"solve it backwards"``.
        how: As in ``Vote``.
        key: As in ``Vote``.
        judge: As in ``Vote``.

    >>> Panel(members=("forwards", "backwards", "by cases")).lm_calls()
    3
    """

    inner: AnyModule = Predict()
    members: Annotated[tuple[str, ...], Field(min_length=2, max_length=15)]
    how: How = "majority"
    key: AnyOp = value_key.name
    judge: Judge = Predict()

    def __init__(self, inner: Module | None = None, /, **knobs: Any) -> None:  # for type checkers: positional
        super().__init__(inner, **knobs)

    def build(self, signature: Signature) -> Graph:
        """The inner graph once a point of view, and what combines the answers.

        Raises:
            SignatureError: The answers are free text, and are counted without a key of their own.
        """
        g = GraphBuilder(self.name, signature)
        slot = Slot(name=free_name(signature, "point_of_view"), annotation=str, description=_VIEW)
        asked, count = signature.with_inputs(slot), len(self.members)
        views = g.const(list(self.members), list[str])
        (answers,) = g.map(views, lambda view: g.module(self.inner, asked, {**g.inputs, slot.name: view}), bound=count)
        return g.finish(combine(g, signature, answers, count=count, how=self.how, key=str(self.key), judge=self.judge))

    def lm_calls(self) -> int | None:
        """Those of ``inner`` for each member, and those of combining."""
        count = len(self.members)
        return total(product(count, self.inner.lm_calls()), combine_calls(count, self.how, self.judge))
