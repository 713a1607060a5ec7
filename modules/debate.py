"""Debate: agents answer, read one another's answers, and answer again (Du et al., arXiv 2305.14325, section 2)."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from pydantic import Field

from treadle.compiler.graph.build import GraphBuilder, Value
from treadle.compiler.graph.nodes import Graph
from treadle.compiler.module import AnyModule, AnyOp, Module, Predict
from treadle.compiler.signature import Signature, Slot
from treadle.modules.combining import How, combine, combine_calls
from treadle.modules.counting import product, total
from treadle.modules.fields import free_name
from treadle.modules.judging import Judge
from treadle.modules.ops import readings, value_key

Reads: TypeAlias = Literal["all", "ring", "star"]
"""Who reads whom: every agent all others; each the next; the first all others, and these the first."""


class Debate(Module):
    """Agents answer, and in each round answer again with answers of others in view; the answers are combined.

    LM calls: agents × (1 + rounds) × inner + combining, which costs what it costs in ``Vote``.

    The agents' first answers are samples and need a temperature above 0. Answers in a round are the variant
    ``debate:round``. With no round it is a vote.

    Attributes:
        inner: Who answers.
        agents: How many.
        rounds: How often they read one another.
        reads: ``"all"``: every other agent. ``"ring"``: the next one. ``"star"``: the first reads all, the others the
            first.
        how: How the last answers are combined, as in ``Vote``.
        key: As in ``Vote``.
        judge: As in ``Vote``.
        temperature: Of the first answers; ``None`` leaves it to the step and the LM.

    >>> Debate(agents=3, rounds=2).lm_calls()
    9
    """

    inner: AnyModule = Predict()
    agents: int = Field(3, ge=2, le=9)
    rounds: int = Field(1, ge=0, le=4)
    reads: Reads = "all"
    how: How = "majority"
    key: AnyOp = value_key.name
    judge: Judge = Predict()
    temperature: float | None = Field(None, ge=0.1, le=2.0)

    def __init__(self, inner: Module | None = None, /, **knobs: Any) -> None:  # for type checkers: positional
        super().__init__(inner, **knobs)

    def build(self, signature: Signature) -> Graph:
        """Replicas of the inner graph, a loop of rounds over them, and what combines the last answers.

        Raises:
            SignatureError: The answers are free text, and are counted without a key of their own.
        """
        g, hot = GraphBuilder(self.name, signature), self.temperature
        (answers,) = g.replicate(self.agents, lambda: g.module(self.inner, signature, g.inputs, temperature=hot))
        if self.rounds:
            (answers,) = g.loop([answers], lambda _, said: self._round(g, signature, said), bound=self.rounds)
        one = combine(g, signature, answers, count=self.agents, how=self.how, key=str(self.key), judge=self.judge)
        return g.finish(one)

    def _round(self, g: GraphBuilder, signature: Signature, answers: Value) -> Value:
        kind = signature.value.annotation
        own = Slot(name=free_name(signature, "your_answer"), annotation=kind, description="What you answered before.")
        asked = signature.with_inputs(own)
        others = Slot(
            name=free_name(asked, "other_answers"),
            annotation=list[kind],  # type: ignore[valid-type]  # a type at run time
            description="What others answered. Weigh them against yours; change it where they are right.",
        )
        asked = asked.with_inputs(others)

        def agent(seen: Value) -> Value:
            given = {own.name: _item(g, seen, 0, own), others.name: _item(g, seen, 1, others)}
            return g.module(self.inner, asked, {**g.inputs, **given}, variant="round")

        seen = g.op(readings, [answers, g.const(self.reads)])
        return g.map(seen, agent, bound=self.agents)[0]

    def lm_calls(self) -> int | None:
        """Those of ``inner`` for each agent, first and in each round, and those of combining."""
        turns = product(self.agents * (1 + self.rounds), self.inner.lm_calls())
        return total(turns, combine_calls(self.agents, self.how, self.judge))


def _item(g: GraphBuilder, value: Value, index: int, slot: Slot) -> Value:
    return g.expr(["item", ["arg", 0], ["const", index]], [value], slot.annotation)
