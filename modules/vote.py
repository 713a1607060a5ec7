"""Self-consistency: sample several answers and take the most frequent (Wang et al., arXiv 2203.11171, section 2)."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from treadle.compiler.annotations import type_name
from treadle.compiler.errors import SignatureError
from treadle.compiler.graph.build import GraphBuilder
from treadle.compiler.graph.nodes import Graph
from treadle.compiler.module import AnyModule, AnyOp, Module, Predict
from treadle.compiler.signature import Signature
from treadle.modules.ops import majority, text_key, value_key
from treadle.modules.votable import votable


class Vote(Module):
    """Samples ``inner`` ``n`` times and returns the answer most of them share. LM calls: n × those of ``inner``.

    Of equally frequent answers the one sampled first wins. Samples need a temperature above 0: the module's own, else
    the step's or the LM's, else 0.7.

    Attributes:
        inner: What is sampled.
        n: How many samples.
        key: An op from answer to key; answers with equal keys count as one. ``"treadle:value"`` compares values,
            ``"treadle:text"`` compares text without case, spacing and punctuation.
        temperature: Of the sampled calls; ``None`` leaves it to the step and the LM.

    >>> from treadle.modules.chain_of_thought import ChainOfThought
    >>> Vote(ChainOfThought(), n=7).lm_calls()
    7
    """

    inner: AnyModule = Predict()
    n: int = Field(5, ge=2, le=15)
    key: AnyOp = value_key.name
    temperature: float | None = Field(None, ge=0.1, le=2.0)

    def __init__(self, inner: Module | None = None, /, **knobs: Any) -> None:  # for type checkers: positional
        super().__init__(inner, **knobs)

    def build(self, signature: Signature) -> Graph:
        """Replicas of the inner graph, the keys of their answers, the majority.

        Raises:
            SignatureError: The answers are free text and no key is given.
        """
        kind = signature.value.annotation
        if self.key == value_key.name and not votable(kind):
            msg = (
                f"Vote cannot count the answers of {signature.name!r}: two samples of {type_name(kind)} are seldom "
                f"equal. Return a Literal, a number or a record of them, or say what makes two answers the same: "
                f"Vote(key={text_key.name!r}) for text, or an op of your own"
            )
            raise SignatureError(msg)
        g = GraphBuilder(self.name, signature)
        hot = self.temperature
        (answers,) = g.replicate(self.n, lambda: g.module(self.inner, signature, g.inputs, temperature=hot))
        (keys,) = g.map(answers, lambda answer: g.call(str(self.key), {"0": answer}), bound=self.n)
        return g.finish(g.op(majority, [answers, keys], returns=kind))

    def lm_calls(self) -> int | None:
        """``n`` times those of ``inner``."""
        inner = self.inner.lm_calls()
        return None if inner is None else self.n * inner
