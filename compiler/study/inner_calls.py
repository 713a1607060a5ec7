"""Ops that call steps. In a study such an op must not hold up the event loop, on which its steps are answered."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from treadle.compiler.frontend.op_function import OpFunction
from treadle.compiler.frontend.predictor import PredictorFunction
from treadle.compiler.frontend.program import Program

_MOST = 500  # functions looked at


def calls_steps(function: Callable[..., Any]) -> bool:
    """Whether a function names a predictor or a program, itself or through plain functions that it names.

    What it reaches in another way, such as through an attribute of an argument, is not seen.
    """
    left: list[object] = [function]
    seen: set[int] = set()
    while left and len(seen) < _MOST:
        found = left.pop()
        if isinstance(found, PredictorFunction | Program):
            return True
        if id(found) not in seen:
            seen.add(id(found))
            left.extend(_inside(found))
    return False


def _inside(found: object) -> Iterator[object]:
    """What an object stands for, or names."""
    if isinstance(found, OpFunction):
        yield found.op.function
    elif isinstance(found, functools.partial):
        yield found.func
    elif inspect.ismethod(found):
        yield found.__func__
    elif isinstance(found, FunctionType) and not _is_of_python(found):
        yield from _named(found)


def _is_of_python(function: FunctionType) -> bool:
    return (function.__module__ or "").partition(".")[0] in sys.stdlib_module_names


def _named(function: FunctionType) -> Iterator[object]:
    names = {name for code in _codes(function.__code__) for name in code.co_names}
    known = [function.__globals__[name] for name in sorted(names) if name in function.__globals__]
    yield from known
    for module in known:
        if isinstance(module, ModuleType):
            yield from (vars(module)[name] for name in sorted(names) if name in vars(module))
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not yet assigned
            continue
    if (wrapped := getattr(function, "__wrapped__", None)) is not None:
        yield wrapped


def _codes(code: CodeType) -> Iterator[CodeType]:
    """The code of a function and of all that is defined inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
