"""Best of n: sample several answers, score each, return the best."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from treadle.compiler.graph.build import GraphBuilder
from treadle.compiler.graph.nodes import Graph
from treadle.compiler.module import AnyModule, Module, Predict
from treadle.compiler.signature import Signature
from treadle.modules.counting import product, total
from treadle.modules.judging import Judge, judge_calls, score
from treadle.modules.ops import best


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
        (scores,) = g.map(answers, lambda answer: score(g, self.judge, signature, answer), bound=self.n)
        return g.finish(g.op(best, [answers, scores], returns=signature.value.annotation))

    def lm_calls(self) -> int | None:
        """``n`` times those of ``inner`` and of the judge."""
        return product(self.n, total(self.inner.lm_calls(), judge_calls(self.judge)))
