"""Best of n: sample several answers, score each, return the best."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import pydantic
from pydantic import Field

from treadle.compiler.graph.build import GraphBuilder, Value
from treadle.compiler.graph.nodes import Graph
from treadle.compiler.module import AnyModule, AnyOp, Module, Predict
from treadle.compiler.signature import Signature, Slot
from treadle.modules.ops import best, record

JUDGING = "Score from 0 (wrong or useless) to 10 (could not be better) how well the answer does what was asked."

_SCORE = Slot(name="score", annotation=Annotated[int, Field(ge=0, le=10)])


def _module_or_op(value: object) -> str:
    return "module" if isinstance(value, Module | dict) else "op"


Judge = Annotated[
    Annotated[AnyModule, pydantic.Tag("module")] | Annotated[AnyOp, pydantic.Tag("op")],
    pydantic.Discriminator(_module_or_op),
]


class BestOf(Module):
    """Samples ``inner`` ``n`` times and returns the answer its judge scores highest. LM calls: n × (inner + judge).

    The judge is an op (0 LM calls), called with the answer and a dict of the step's inputs and returning a number; or a
    module, which is asked for a score from 0 to 10 and whose instruction is a parameter of its own
    (``…/best_of.judge/predict.instruction``). Of equal scores the answer sampled first wins. Samples need a temperature
    above 0: the module's own, else the step's or the LM's, else 0.7.

    Attributes:
        inner: What is sampled.
        n: How many samples.
        judge: An op or its name, or a module.
        temperature: Of the sampled calls; ``None`` leaves it to the step and the LM.

    >>> BestOf(n=3).lm_calls()
    6
    """

    inner: AnyModule = Predict()
    n: int = Field(3, ge=2, le=15)
    judge: Judge = Predict()
    temperature: float | None = Field(None, ge=0.1, le=2.0)

    def __init__(self, inner: Module | None = None, /, **knobs: Any) -> None:  # for type checkers: positional
        super().__init__(inner, **knobs)

    def build(self, signature: Signature) -> Graph:
        """Replicas of the inner graph, a score for each answer, the best."""
        g = GraphBuilder(self.name, signature)
        hot = self.temperature
        (answers,) = g.replicate(self.n, lambda: g.module(self.inner, signature, g.inputs, temperature=hot))
        (scores,) = g.map(answers, self._scorer(g, signature), bound=self.n)
        return g.finish(g.op(best, [answers, scores], returns=signature.value.annotation))

    def _scorer(self, g: GraphBuilder, signature: Signature) -> Callable[[Value], Value]:
        judge = self.judge
        if isinstance(judge, Module):
            asked = judging(signature)
            return lambda answer: g.module(judge, asked, {**g.inputs, asked.inputs[-1].name: answer}, role="judge")
        given = g.op(record, g.inputs)
        return lambda answer: g.call(str(judge), {"0": answer, "1": given})

    def lm_calls(self) -> int | None:
        """``n`` times those of ``inner`` and of the judge."""
        inner = self.inner.lm_calls()
        judge = self.judge.lm_calls() if isinstance(self.judge, Module) else 0
        return None if inner is None or judge is None else self.n * (inner + judge)


def judging(signature: Signature) -> Signature:
    """The signature of the judge of answers to ``signature``: its inputs and the answer, to a score."""
    names = {slot.name for slot in signature.inputs}
    name = next(name for name in ("answer", "answer_to_score", "the_answer_to_score") if name not in names)
    asked = f"{JUDGING}\n\nWhat was asked:\n{signature.instruction}" if signature.instruction else JUDGING
    answer = Slot(name=name, annotation=signature.value.annotation)
    return Signature(name="judge", inputs=(*signature.inputs, answer), outputs=(_SCORE,), instruction=asked)
