"""Fields a module adds to a signature: under a name the signature does not have yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.compiler.signature import Signature

if TYPE_CHECKING:
    from treadle.compiler.canonical import JSON
    from treadle.compiler.graph.build import GraphBuilder, Value


def free_name(signature: Signature, name: str) -> str:
    """``name``, or the first of ``name_2``, ``name_3``, … that is no input of the signature."""
    taken = {slot.name for slot in signature.inputs}
    return next(found for found in (name, *(f"{name}_{n}" for n in range(2, len(taken) + 3))) if found not in taken)


def about(task: str, signature: Signature) -> str:
    """What a helper is told: its own task, then what the step is asked."""
    return f"{task}\n\nWhat was asked:\n{signature.instruction}" if signature.instruction else task


def first_few(g: GraphBuilder, values: Value, count: int) -> Value:
    """The first ``count`` elements of a list: what a model was asked to give at most."""
    few: JSON = ["item", ["arg", 0], ["slice", ["const", None], ["const", count], ["const", None]]]
    return g.expr(few, [values], values.annotation)
