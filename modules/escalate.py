"""Cheap answers first, a dear one where they disagree.

Yue et al., arXiv 2310.03094 (cascades by answer consistency), section 3; Wu et al., arXiv 2505.20258 (ARM, the
consensus mode).
"""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from treadle.compiler.graph.build import GraphBuilder
from treadle.compiler.graph.nodes import Graph
from treadle.compiler.module import AnyModule, AnyOp, Module, Predict
from treadle.compiler.signature import Signature
from treadle.modules.chain_of_thought import ChainOfThought
from treadle.modules.combining import check_countable
from treadle.modules.counting import product, total
from treadle.modules.ops import agree, value_key


class Escalate(Module):
    """Samples ``inner`` ``n`` times; where all agree that is the answer, else ``to`` answers. LM calls: n × inner + to.

    Both answer the step; ``to`` is its variant ``escalate:to``. Samples need a temperature above 0.

    Attributes:
        inner: The cheap way.
        to: The dear way.
        model: Recorded name of the LM ``to`` runs on; ``None`` for the step's.
        n: How many samples have to agree.
        key: An op from answer to key; answers with equal keys count as one.
        temperature: Of the samples; ``None`` leaves it to the step and the LM.

    >>> Escalate(n=3).lm_calls()
    4
    """

    variants: ClassVar[tuple[str, ...]] = ("to",)

    inner: AnyModule = Predict()
    to: AnyModule = ChainOfThought()
    model: str | None = None
    n: int = Field(2, ge=2, le=9)
    key: AnyOp = value_key.name
    temperature: float | None = Field(None, ge=0.1, le=2.0)

    def __init__(self, inner: Module | None = None, /, **knobs: Any) -> None:  # for type checkers: positional
        super().__init__(inner, **knobs)

    def build(self, signature: Signature) -> Graph:
        """Replicas of the inner graph, and a branch.

        Raises:
            SignatureError: The answers are free text, and are compared without a key of their own.
        """
        check_countable(self.name, signature, str(self.key))
        g, hot = GraphBuilder(self.name, signature), self.temperature
        (answers,) = g.replicate(self.n, lambda: g.module(self.inner, signature, g.inputs, temperature=hot))
        (keys,) = g.map(answers, lambda answer: g.call(str(self.key), {"0": answer}), bound=self.n)
        (answer,) = g.branch(
            g.op(agree, [keys]),
            lambda: g.expr(["item", ["arg", 0], ["const", 0]], [answers], signature.value.annotation),
            lambda: g.module(self.to, signature, g.inputs, variant="to", model=self.model),
        )
        return g.finish(answer)

    def lm_calls(self) -> int | None:
        """``n`` times those of ``inner``, and those of ``to``."""
        return total(product(self.n, self.inner.lm_calls()), self.to.lm_calls())
