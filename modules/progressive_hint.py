"""Answering again with earlier answers as hints, until it settles (Zheng et al., arXiv 2304.09797, section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from treadle.compiler.graph.build import GraphBuilder, Value
from treadle.compiler.graph.nodes import Graph
from treadle.compiler.module import AnyModule, Module, Predict
from treadle.compiler.signature import Signature, Slot
from treadle.modules.counting import product
from treadle.modules.fields import free_name
from treadle.modules.revising import same

_HINTS = "Earlier answers, oldest first: hints, which may be wrong."


class ProgressiveHint(Module):
    """Answers with ``inner``, and again with all earlier answers in view until one comes a second time in a row.

    LM calls: (1 + rounds) × inner.

    An answer again is the variant ``progressive_hint:again``.

    Attributes:
        inner: Who answers.
        rounds: How often it answers again, at most.

    >>> ProgressiveHint(rounds=3).lm_calls()
    4
    """

    inner: AnyModule = Predict()
    rounds: int = Field(2, ge=1, le=6)

    def __init__(self, inner: Module | None = None, /, **knobs: Any) -> None:  # for type checkers: positional
        super().__init__(inner, **knobs)

    def build(self, signature: Signature) -> Graph:
        """The inner graph, then a loop of it that carries the answers so far."""
        g = GraphBuilder(self.name, signature)
        kind: Any = list[signature.value.annotation]  # type: ignore[name-defined]  # a type at run time
        hints = Slot(name=free_name(signature, "earlier_answers"), annotation=kind, description=_HINTS)
        asked = signature.with_inputs(hints)

        def turn(_: Value, answer: Value, earlier: Value) -> Sequence[Value]:
            new = g.module(self.inner, asked, {**g.inputs, hints.name: earlier}, variant="again")
            longer = g.expr(["list", ["star", ["arg", 0]], ["arg", 1]], [earlier, new], kind)
            return [new, longer, same(g, new, answer)]

        first = g.module(self.inner, signature, g.inputs)
        before = g.expr(["list", ["arg", 0]], [first], kind)
        return g.finish(g.loop([first, before], turn, bound=self.rounds, stops=True)[0])

    def lm_calls(self) -> int | None:
        """Those of ``inner``, first and in each round."""
        return product(1 + self.rounds, self.inner.lm_calls())
