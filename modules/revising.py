"""Revising an answer in a loop: somebody looks at it, says what is wrong, and the step answers again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

from treadle.compiler.graph.build import GraphBuilder, Value
from treadle.compiler.module import Module
from treadle.compiler.signature import Signature, Slot
from treadle.modules.fields import free_name

Stop: TypeAlias = Literal["approved", "unchanged", "never"]
"""When a loop ends before its last round: nothing is wrong any more, the answer stays the same, or never."""

Look: TypeAlias = Callable[[Value], tuple[Value, Value]]
"""From an answer to what is said about it, and whether it is right."""

_EARLIER = "An earlier answer of yours."
_SAID = "What was said about it; put that right and keep the rest."


def revised(
    g: GraphBuilder, inner: Module, signature: Signature, look: Look, *, rounds: int, stop: Stop, said: str = "feedback"
) -> Value:
    """The answer after at most so many rounds of looking and answering again.

    LM calls: inner, then as often as ``rounds`` those of ``look`` and of inner.

    Args:
        g: Builds the module; its inputs are the step's.
        inner: Who answers, first and again. Answering again is its variant ``revision``.
        signature: The step's.
        look: Adds the nodes that look at an answer.
        rounds: How often it is looked at, at most.
        stop: When the loop ends earlier.
        said: Name of the field that shows what was said.
    """
    earlier = Slot(
        name=free_name(signature, "earlier_answer"), annotation=signature.value.annotation, description=_EARLIER
    )
    asked = signature.with_inputs(earlier)
    remark = Slot(name=free_name(asked, said), annotation=str, description=_SAID)
    asked = asked.with_inputs(remark)

    def again(answer: Value, remarks: Value) -> Value:
        given = {**g.inputs, earlier.name: answer, remark.name: remarks}
        return g.module(inner, asked, given, variant="revision")

    def turn(_: Value, answer: Value) -> Sequence[Value]:
        remarks, right = look(answer)
        if stop == "approved":
            (kept,) = g.branch(right, lambda: answer, lambda: again(answer, remarks))
            return [kept, right]
        new = again(answer, remarks)
        return [new] if stop == "never" else [new, same(g, new, answer)]

    first = g.module(inner, signature, g.inputs)
    return g.loop([first], turn, bound=rounds, stops=stop != "never")[0]


def same(g: GraphBuilder, a: Value, b: Value) -> Value:
    """Whether two values are equal."""
    return g.expr(["compare", ["arg", 0], "==", ["arg", 1]], [a, b], bool)


def nothing_said(g: GraphBuilder, remarks: Value) -> Value:
    """Whether a remark is empty."""
    return g.expr(["unary", "not", ["arg", 0]], [remarks], bool)
