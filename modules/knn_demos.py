"""Showing the demos most like the question.

Liu et al., arXiv 2101.06804 (KATE), section 3; Nori et al., arXiv 2311.16452 (Medprompt: nearest examples).
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from treadle.compiler.graph.build import GraphBuilder
from treadle.compiler.graph.nodes import Graph
from treadle.compiler.module import AnyModule, Module, Predict
from treadle.compiler.signature import Signature


class KNNDemos(Module):
    """Answers with ``inner``, which shows only the ``k`` of the step's demos that are most like its inputs.

    LM calls: inner.

    The step's demos are the pool: give it as many as there are. Likeness is by words and needs no model; see
    ``compiler/prompt/nearest.py``. Prompts differ from question to question, so a provider's prompt cache helps less.

    Attributes:
        inner: Who answers.
        k: How many demos a call shows.

    >>> KNNDemos(k=8).lm_calls()
    1
    """

    inner: AnyModule = Predict()
    k: int = Field(4, ge=1, le=32)

    def __init__(self, inner: Module | None = None, /, **knobs: Any) -> None:  # for type checkers: positional
        super().__init__(inner, **knobs)

    def build(self, signature: Signature) -> Graph:
        """The inner graph, its calls that answer the step marked."""
        g = GraphBuilder(self.name, signature)
        return g.finish(g.module(self.inner, signature, g.inputs, nearest=self.k))

    def lm_calls(self) -> int | None:
        """Those of ``inner``."""
        return self.inner.lm_calls()
