"""Chain of thought: reason in words, then answer (Wei et al., arXiv 2201.11903; Kojima et al., arXiv 2205.11916).

``steps`` is a template of the reasoning for the task at hand (Zhang and Ding, arXiv 2410.14198: one prompt for all
tasks hurts); ``brief`` asks for few words (Renze and Guven, arXiv 2401.05618: half the length at little loss, except on
mathematics for weaker models).
"""

from __future__ import annotations

import dataclasses

from pydantic import Field

from treadle.compiler.errors import SignatureError
from treadle.compiler.graph.build import GraphBuilder
from treadle.compiler.graph.nodes import Graph
from treadle.compiler.module import Module
from treadle.compiler.signature import Signature, Slot
from treadle.modules.ops import outputs

REASONING = Slot(name="reasoning", annotation=str, description="Think step by step, before the answer.")
BRIEFLY = "Be concise: as few words as the answer needs."


class ChainOfThought(Module):
    """Asks for reasoning before the answer, in the same call. LM calls: 1.

    The step's instruction and demos are used as they are; a demo without ``reasoning`` is shown without it.

    Attributes:
        steps: How to think about this task, in words; empty for just step by step. A text search may change.
        brief: Whether to ask for few words.

    >>> ChainOfThought(steps="Name the law, then apply it.", brief=True).lm_calls()
    1
    """

    steps: str = Field("", max_length=4_000)
    brief: bool = False

    def build(self, signature: Signature) -> Graph:
        """One LM node with the output ``reasoning`` before the signature's own.

        Raises:
            SignatureError: The signature has an output of that name already.
        """
        if any(slot.name == REASONING.name for slot in signature.outputs):
            msg = (
                f"{signature.name!r} already has an output 'reasoning', which ChainOfThought would add; "
                "answer it with Predict(), or give the output another name"
            )
            raise SignatureError(msg)
        g = GraphBuilder(self.name, signature)
        thought = g.lm(signature.with_outputs(self._reasoning()), g.inputs)
        if len(signature.outputs) == 1:
            return g.finish(thought.field(signature.outputs[0].name))
        names = g.const([slot.name for slot in signature.outputs], list[str])
        return g.finish(g.op(outputs, [thought, names], returns=signature.value.annotation))

    def _reasoning(self) -> Slot:
        parts = [REASONING.description, self.steps, BRIEFLY if self.brief else ""]
        return dataclasses.replace(REASONING, description=" ".join(part for part in parts if part))

    def lm_calls(self) -> int:
        """One."""
        return 1
