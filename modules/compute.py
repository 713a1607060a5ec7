"""Answering by a program: write code, run it, take what it returns.

Chen et al., arXiv 2211.12588 (program of thoughts), section 2; Gao et al., arXiv 2211.10435 (PAL), section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from pydantic import Field

from treadle.compiler.annotations import type_name
from treadle.compiler.canonical import JSON
from treadle.compiler.errors import SignatureError
from treadle.compiler.graph.build import GraphBuilder, Value
from treadle.compiler.graph.capabilities import capabilities, require
from treadle.compiler.graph.nodes import Graph
from treadle.compiler.module import AnyModule, Module, Predict
from treadle.compiler.signature import Signature, Slot
from treadle.modules.counting import product, total
from treadle.modules.fields import about, free_name
from treadle.modules.ops import record
from treadle.modules.programs import computed

CODING = (
    "Write a Python function `{function}({inputs}) -> {kind}` that returns the answer to the task below. It may import "
    "modules that only compute, such as math, re, datetime and collections. Reply with code only."
)

_FUNCTION = "solve"


class Compute(Module):
    """Has a program written and run, and takes its value; where none runs, ``inner`` answers.

    LM calls: (1 + rounds) × coder + inner.

    The coder has an instruction of its own (``…/compute.coder/predict.instruction``) and sees what went wrong. The
    code runs through ``compiler/runtime/isolate.py``: limits, not a security boundary.

    Attributes:
        inner: Who answers where no program does.
        coder: Who writes the program.
        rounds: How often it is repaired, at most.

    >>> Compute().lm_calls()
    3
    """

    inner: AnyModule = Predict()
    coder: AnyModule = Predict()
    rounds: int = Field(1, ge=0, le=4)

    def __init__(self, inner: Module | None = None, /, **knobs: Any) -> None:  # for type checkers: positional
        super().__init__(inner, **knobs)

    def build(self, signature: Signature) -> Graph:
        """A loop of coder and run, then a branch: the value, or the inner graph.

        Raises:
            SignatureError: No program can return such a value, or take such inputs.
        """
        kind, who = signature.value.annotation, f"Compute cannot answer {signature.name!r}"
        why = "a program returns plain data: text, numbers, booleans, lists and dicts"
        require(kind, "computable", who, why, "Return plain data, or answer with ChainOfThought")
        refused = [slot.name for slot in signature.inputs if "computable" not in capabilities(slot.annotation)]
        if refused:
            msg = f"{who}: its input {refused[0]!r} is no plain data a program could take. Pass plain data to the step"
            raise SignatureError(msg)
        g = GraphBuilder(self.name, signature)
        asked = _coding(signature)
        schema = g.const(cast(JSON, signature.value.schema))
        given = g.op(record, g.inputs)

        def run(code: Value) -> Value:
            return g.op(computed, [code, g.const(_FUNCTION), given, schema])

        def turn(_: Value, code: Value, outcome: Value) -> Sequence[Value]:
            wrong = _part(g, outcome, "error", str)
            (tried,) = g.branch(wrong, lambda: self._code(g, asked, code, wrong), lambda: code)
            (again,) = g.branch(wrong, lambda: run(tried), lambda: outcome)
            return [tried, again, _is_empty(g, _part(g, again, "error", str))]

        code = self._code(g, asked)
        outcome = run(code)
        if self.rounds:
            _, outcome = g.loop([code, outcome], turn, bound=self.rounds, stops=True)
        failed = _part(g, outcome, "error", str)
        return g.finish(
            g.branch(
                failed,
                lambda: g.module(self.inner, signature, g.inputs),
                lambda: _part(g, outcome, "value", kind),
            )[0]
        )

    def _code(self, g: GraphBuilder, asked: Signature, code: Value | None = None, wrong: Value | None = None) -> Value:
        if code is None or wrong is None:
            return g.module(self.coder, asked, g.inputs, role="coder")
        before = Slot(name=free_name(asked, "earlier_code"), annotation=str, description="What you wrote before.")
        wider = asked.with_inputs(before)
        error = Slot(name=free_name(wider, "error"), annotation=str, description="What came of it; put it right.")
        inputs = {**g.inputs, before.name: code, error.name: wrong}
        return g.module(self.coder, wider.with_inputs(error), inputs, role="coder")

    def lm_calls(self) -> int | None:
        """Those of the coder, first and in each round, and those of ``inner``."""
        return total(product(1 + self.rounds, self.coder.lm_calls()), self.inner.lm_calls())


def _coding(signature: Signature) -> Signature:
    inputs = ", ".join(f"{slot.name}: {type_name(slot.annotation)}" for slot in signature.inputs)
    task = CODING.format(function=_FUNCTION, inputs=inputs, kind=type_name(signature.value.annotation))
    return Signature(
        name="coder",
        inputs=signature.inputs,
        outputs=(Slot(name="code", annotation=str),),
        instruction=about(task, signature),
    )


def _part(g: GraphBuilder, outcome: Value, name: str, annotation: Any) -> Value:
    return g.expr(["item", ["arg", 0], ["const", name]], [outcome], annotation)


def _is_empty(g: GraphBuilder, text: Value) -> Value:
    return g.expr(["unary", "not", ["arg", 0]], [text], bool)
