"""Ops under a candidate: numbers, choices and texts of a program, and code in the place of a function's body."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import pydantic

from treadle.compiler.canonical import JSON
from treadle.compiler.errors import CodeError, InputError
from treadle.compiler.graph.op import Op
from treadle.compiler.runtime.isolate import Executor, call_code
from treadle.compiler.signature import Slot
from treadle.compiler.values import dump, shown


def addresses_of(op: Op) -> tuple[str, ...]:
    """Addresses of what search may change in ``op``."""
    return (op.address,) if op.trainable or op.parameter is not None else ()


def tuned_op(op: Op, values: Mapping[str, JSON], executor: Executor) -> Op:
    """``op`` with the candidate's value in place of its own; the op itself where the candidate has none.

    Code never runs in this process: each call of it goes through the executor.

    Args:
        op: As declared.
        values: A candidate's values by address.
        executor: What runs code.
    """
    if op.address not in values or not addresses_of(op):
        return op
    value = values[op.address]
    if op.parameter is not None:
        return dataclasses.replace(op, function=lambda: value)
    return dataclasses.replace(op, function=_isolated(op, str(value), executor), blocking=True)


def _isolated(op: Op, code: str, executor: Executor) -> Callable[..., Any]:
    returns = Slot(name=op.name, annotation=op.returns)
    names = op.argument_names(32)

    def function(*args: Any, **named: Any) -> Any:
        given = [_plain(op, name, value) for name, value in zip(names, args, strict=False)]
        by_name = {name: _plain(op, name, value) for name, value in named.items()}
        value = call_code(code, op.name, given, by_name, executor)
        try:
            return returns.read(value)
        except pydantic.ValidationError as error:
            reason = error.errors(include_url=False)[0]["msg"]
            msg = f"the code of {op.name!r} returned {shown(value, 200)}, which does not fit its return type: {reason}"
            raise CodeError(msg) from None

    function.__signature__ = inspect.signature(op.function)  # type: ignore[attr-defined]  # what the trace calls them
    return function


def _plain(op: Op, name: str, value: Any) -> JSON:
    """The argument as JSON, if that holds all of it.

    Raises:
        InputError: It does not.
    """
    try:
        data = dump(value)
    except Exception:  # a serialiser of the user's own may raise anything
        data = None
    if data != value:
        msg = f"op {op.name!r} runs generated code, which takes JSON, and its argument {name} is {shown(value, 80)}"
        raise InputError(msg)
    return data
