"""What the steps and ops of a program do, in words: from signatures and docstrings."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

from treadle.compiler.annotations import type_name
from treadle.compiler.trace.propagate import Propagation

if TYPE_CHECKING:
    from treadle.compiler.graph.nodes import Predictor
    from treadle.compiler.graph.op import Op
    from treadle.compiler.signature import Signature, Slot


class Documented(Protocol):
    """What is read of a program."""

    @property
    def signature(self) -> Signature:
        """Its inputs, its output and its docstring."""
        ...

    @property
    def predictors(self) -> Mapping[str, Predictor]:
        """The predictors it calls, by name."""
        ...

    @property
    def ops(self) -> Mapping[str, Op]:
        """The ops it calls, by name."""
        ...


def promise(signature: Signature) -> str:
    """Name, inputs and output."""
    returned = ", ".join(type_name(slot.annotation) for slot in signature.outputs)
    return f"{signature.name}({signature.takes()}) -> {returned}"


def documentation(program: Documented, runs: Iterable[Propagation]) -> dict[str, str]:
    """What each step and op that ran does, in the order of their names; each text begins with what it takes."""
    spans = [run.span(number) for run in runs for site in run.sites for number in site.spans[:1]]
    steps = {span.predictor for span in spans if span.kind == "step"}
    ops = {span.name for span in spans if span.kind == "op"}
    found = {name: _of_step(program.predictors[name]) for name in sorted(steps & set(program.predictors))}
    found |= {name: text for name in sorted(ops & set(program.ops)) if (text := _of_op(program.ops[name]))}
    return found


def _of_step(predictor: Predictor) -> str:
    signature = predictor.signature
    described = [_described(slot) for slot in (*signature.inputs, *signature.outputs) if slot.description]
    return "; ".join([promise(signature), *described])


def _described(slot: Slot) -> str:
    return f"{slot.name} is {slot.description}"


def _of_op(op: Op) -> str:
    if op.parameter is not None:
        return ""  # it is shown as a variable
    shape = _shape(op)
    return "; ".join(part for part in (f"Python: {op.name}{shape}", inspect.getdoc(op.function) or "") if part)


def _shape(op: Op) -> str:
    for looked_up in (True, False):  # hints that were left as text are quoted where they cannot be looked up
        try:
            return str(inspect.signature(op.function, eval_str=looked_up))
        except Exception:  # a hint is any expression; a builtin does not say
            continue
    return "(…)"
