"""Judges: who scores an answer. An op, or a module that is asked for a number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeAlias

import pydantic
from pydantic import Field

from treadle.compiler.graph.build import GraphBuilder, Value
from treadle.compiler.graph.op import Op
from treadle.compiler.module import AnyModule, AnyOp, Module
from treadle.compiler.signature import Signature, Slot
from treadle.modules.fields import about, free_name
from treadle.modules.ops import record

JUDGING = "Score from 0 (wrong or useless) to 10 (could not be better) how well the answer does what was asked."

_SCORE = Slot(name="score", annotation=Annotated[int, Field(ge=0, le=10)])


def module_or_op(value: object) -> str:
    """Which of the two a value is: tells pydantic how to read it."""
    return "module" if isinstance(value, Module | dict) else "op"


Judge = Annotated[
    Annotated[AnyModule, pydantic.Tag("module")] | Annotated[AnyOp, pydantic.Tag("op")],
    pydantic.Discriminator(module_or_op),
]
"""Type of a field that holds a module or an op."""

AnyJudge: TypeAlias = Module | str | Op | Callable[..., Any]
"""What such a field may be given; it holds a module or an op's name."""


def judging(signature: Signature) -> Signature:
    """The signature of the judge of answers to ``signature``: its inputs and the answer, to a score."""
    answer = Slot(name=free_name(signature, "answer"), annotation=signature.value.annotation)
    return Signature(
        name="judge", inputs=(*signature.inputs, answer), outputs=(_SCORE,), instruction=about(JUDGING, signature)
    )


def score(g: GraphBuilder, judge: AnyJudge, signature: Signature, answer: Value) -> Value:
    """The score of one answer.

    Args:
        g: Builds the module that judges; its inputs are the step's.
        judge: A module, asked in the role ``judge``; or the name of an op, called with the answer and the inputs.
        signature: The step's.
        answer: What is judged.
    """
    if not isinstance(judge, Module):
        return g.call(str(judge), {"0": answer, "1": g.op(record, g.inputs)})
    asked = judging(signature)
    return g.module(judge, asked, {**g.inputs, asked.inputs[-1].name: answer}, role="judge")


def judge_calls(judge: AnyJudge) -> int | None:
    """LM calls of one score."""
    return judge.lm_calls() if isinstance(judge, Module) else 0
