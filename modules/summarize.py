"""Summarising an input before the step answers (Zhou et al., arXiv 2502.02533, MASS, appendix: the Summarize block).

With ``aim="clarify"`` the input is reworded so that it says what matters plainly: Xi et al., arXiv 2305.14497
(Self-Polish), section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from treadle.compiler.errors import SignatureError
from treadle.compiler.graph.build import GraphBuilder, Value
from treadle.compiler.graph.capabilities import capabilities, require
from treadle.compiler.graph.nodes import Graph
from treadle.compiler.module import AnyModule, Module, Predict
from treadle.compiler.signature import Signature, Slot
from treadle.modules.counting import product, total
from treadle.modules.fields import about
from treadle.modules.revising import same

SHORTEN = (
    "Shorten `{field}` to what the task below needs. Keep names, numbers and whatever decides the answer word for "
    "word; leave out the rest. Do not do the task."
)
CLARIFY = (
    "Reword `{field}` so that it says plainly what the task below is about: drop what has no bearing on it, put "
    "related things together. Keep every name and number that matters. Do not do the task."
)


class Summarize(Module):
    """Condenses one input, then answers with ``inner``. LM calls: rounds × summarizer + inner.

    The summariser sees all inputs, has an instruction of its own (``…/summarize.summarizer/predict.instruction``), and
    gives a value of the input's own type. A round that changes nothing is the last one.

    Attributes:
        inner: Who answers.
        summarizer: Who condenses.
        field: Name of the input; ``None`` for the last one that is free text.
        rounds: How often, each time what the last round left.
        aim: ``"shorten"`` leaves out, ``"clarify"`` rewords.

    >>> Summarize(rounds=2).lm_calls()
    3
    """

    inner: AnyModule = Predict()
    summarizer: AnyModule = Predict()
    field: str | None = None
    rounds: int = Field(1, ge=1, le=4)
    aim: Literal["shorten", "clarify"] = "shorten"

    def __init__(self, inner: Module | None = None, /, **knobs: Any) -> None:  # for type checkers: positional
        super().__init__(inner, **knobs)

    def build(self, signature: Signature) -> Graph:
        """A loop of the summariser, then the inner graph.

        Raises:
            SignatureError: The input is not there, or is nothing that can be said in fewer words.
        """
        slot = self._slot(signature)
        g = GraphBuilder(self.name, signature)
        asked = Signature(
            name="summarizer",
            inputs=signature.inputs,
            outputs=(Slot(name="summary", annotation=slot.annotation),),
            instruction=about((SHORTEN if self.aim == "shorten" else CLARIFY).format(field=slot.name), signature),
        )

        def turn(_: Value, text: Value) -> Sequence[Value]:
            new = g.module(self.summarizer, asked, {**g.inputs, slot.name: text}, role="summarizer")
            return [new, same(g, new, text)]

        (text,) = g.loop([g.inputs[slot.name]], turn, bound=self.rounds, stops=True)
        return g.finish(g.module(self.inner, signature, {**g.inputs, slot.name: text}))

    def _slot(self, signature: Signature) -> Slot:
        who = f"Summarize cannot shorten an input of {signature.name!r}"
        if self.field is not None:
            why = "fewer words would not say the same"
            slot = signature.input(self.field)
            require(slot.annotation, "compressible", who, why, "Name another field, or answer without Summarize")
            return slot
        found = [slot for slot in signature.inputs if "compressible" in capabilities(slot.annotation)]
        if not found:
            msg = f"{who}: none of {signature.takes()} is free text (str or list[str]). Answer without Summarize"
            raise SignatureError(msg)
        return found[-1]

    def lm_calls(self) -> int | None:
        """Those of the summariser in each round, and those of ``inner``."""
        return total(product(self.rounds, self.summarizer.lm_calls()), self.inner.lm_calls())
