"""Self-consistency: sample several answers and take the most frequent (Wang et al., arXiv 2203.11171, section 2)."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from treadle.compiler.graph.build import GraphBuilder
from treadle.compiler.graph.nodes import Graph
from treadle.compiler.module import AnyModule, AnyOp, Module, Predict
from treadle.compiler.signature import Signature
from treadle.modules.combining import How, combine, combine_calls
from treadle.modules.counting import product, total
from treadle.modules.judging import Judge
from treadle.modules.ops import value_key


class Vote(Module):
    """Samples ``inner`` ``n`` times and returns the answer most of them share.

    LM calls: n × inner; with ``how="self_agreement"`` n × inner + judge, with ``how="verifier"`` n × (inner + judge).

    Of equally frequent answers the one sampled first wins. Samples need a temperature above 0: the module's own, else
    the step's or the LM's, else 0.7.

    Attributes:
        inner: What is sampled.
        n: How many samples.
        how: ``"majority"`` counts, ``"self_agreement"`` asks the judge which answer most agree on, ``"verifier"``
            weighs each answer by the judge's score from 0 to 10.
        key: An op from answer to key; answers with equal keys count as one. ``"treadle:value"`` compares values,
            ``"treadle:text"`` compares text without case, spacing and punctuation.
        judge: Asked by the two others than ``"majority"``; for ``"verifier"`` it may be an op.
        temperature: Of the sampled calls; ``None`` leaves it to the step and the LM.

    >>> from treadle.modules.chain_of_thought import ChainOfThought
    >>> Vote(ChainOfThought(), n=7).lm_calls()
    7
    """

    inner: AnyModule = Predict()
    n: int = Field(5, ge=2, le=15)
    how: How = "majority"
    key: AnyOp = value_key.name
    judge: Judge = Predict()
    temperature: float | None = Field(None, ge=0.1, le=2.0)

    def __init__(self, inner: Module | None = None, /, **knobs: Any) -> None:  # for type checkers: positional
        super().__init__(inner, **knobs)

    def build(self, signature: Signature) -> Graph:
        """Replicas of the inner graph, and what combines their answers.

        Raises:
            SignatureError: The answers are free text, and are counted without a key of their own.
        """
        g = GraphBuilder(self.name, signature)
        hot = self.temperature
        (answers,) = g.replicate(self.n, lambda: g.module(self.inner, signature, g.inputs, temperature=hot))
        one = combine(g, signature, answers, count=self.n, how=self.how, key=str(self.key), judge=self.judge)
        return g.finish(one)

    def lm_calls(self) -> int | None:
        """``n`` times those of ``inner``, and those of combining."""
        return total(product(self.n, self.inner.lm_calls()), combine_calls(self.n, self.how, self.judge))
