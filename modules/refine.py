"""Refining: answer, have the answer criticised, answer again.

Kim et al., arXiv 2303.17491 (RCI: recursive criticism and improvement), section 2; Madaan et al., arXiv 2303.17651
(Self-Refine), section 2.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from treadle.compiler.graph.build import GraphBuilder, Value
from treadle.compiler.graph.capabilities import require
from treadle.compiler.graph.nodes import Graph
from treadle.compiler.module import AnyModule, Module, Predict
from treadle.compiler.signature import Signature, Slot
from treadle.modules.counting import product, total
from treadle.modules.fields import about, free_name
from treadle.modules.judging import Judge, judge_calls
from treadle.modules.ops import record
from treadle.modules.revising import Stop, nothing_said, revised

CRITICISING = (
    "Check the answer to the task below. Say what is wrong with it and how to put it right, and whether it is correct "
    "as it stands. Be strict: an answer that is correct stays as it is."
)


class Refine(Module):
    """Answers with ``inner``, and again as long as the critic finds something.

    LM calls: inner + rounds × (critic + inner).

    The critic is a module, asked for feedback and whether the answer is correct, with an instruction of its own
    (``…/refine.critic/predict.instruction``); or an op, called with the answer and a dict of the step's inputs and
    returning what is wrong as text, empty for nothing: a checker, or a function that asks a person. An answer again is
    the variant ``refine:revision``.

    Attributes:
        inner: Who answers.
        critic: A module, or an op or its name.
        critic_model: Recorded name of the LM a critic module runs on; ``None`` for the step's.
        rounds: How often the answer is looked at, at most.
        stop: ``"approved"``: the critic finds nothing. ``"unchanged"``: the answer has stayed the same. ``"never"``:
            after all rounds.

    >>> Refine(rounds=2).lm_calls()
    5
    """

    inner: AnyModule = Predict()
    critic: Judge = Predict()
    critic_model: str | None = None
    rounds: int = Field(1, ge=1, le=4)
    stop: Stop = "approved"

    def __init__(self, inner: Module | None = None, /, **knobs: Any) -> None:  # for type checkers: positional
        super().__init__(inner, **knobs)

    def build(self, signature: Signature) -> Graph:
        """The inner graph, then a loop of critic and inner graph.

        Raises:
            SignatureError: There is nothing in the answers to criticise.
        """
        who = f"Refine cannot criticise the answers of {signature.name!r}"
        why, remedy = "there is nothing to show a critic", "Return a value that says something"
        require(signature.value.annotation, "critiquable", who, why, remedy)
        g = GraphBuilder(self.name, signature)
        look = self._asked if isinstance(self.critic, Module) else self._checked
        answer = revised(
            g, self.inner, signature, lambda answer: look(g, signature, answer), rounds=self.rounds, stop=self.stop
        )
        return g.finish(answer)

    def _asked(self, g: GraphBuilder, signature: Signature, answer: Value) -> tuple[Value, Value]:
        assert isinstance(self.critic, Module)
        asked = criticising(signature)
        given = {**g.inputs, asked.inputs[-1].name: answer}
        said = g.module(self.critic, asked, given, role="critic", model=self.critic_model)
        return said.field("feedback"), said.field("correct")

    def _checked(self, g: GraphBuilder, signature: Signature, answer: Value) -> tuple[Value, Value]:
        said = g.call(str(self.critic), {"0": answer, "1": g.op(record, g.inputs)}, returns=str)
        return said, nothing_said(g, said)

    def lm_calls(self) -> int | None:
        """Those of ``inner``, and as often as ``rounds`` those of critic and inner."""
        inner = self.inner.lm_calls()
        return total(inner, product(self.rounds, total(judge_calls(self.critic), inner)))


def criticising(signature: Signature) -> Signature:
    """The signature of a critic of answers to ``signature``: its inputs and the answer, to feedback and a verdict."""
    answer = Slot(name=free_name(signature, "answer"), annotation=signature.value.annotation)
    return Signature(
        name="critic",
        inputs=(*signature.inputs, answer),
        outputs=(
            Slot(name="feedback", annotation=str, description="What is wrong and how to put it right."),
            Slot(name="correct", annotation=bool, description="Whether the answer is correct as it stands."),
        ),
        instruction=about(CRITICISING, signature),
    )
