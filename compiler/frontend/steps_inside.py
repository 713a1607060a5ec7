"""Whether a plain function calls steps: read off the names its code uses, and those of the functions it calls."""

from __future__ import annotations

import functools
import inspect
from types import CodeType, FunctionType, ModuleType
from typing import Any

from treadle.compiler.frontend.op_function import OpFunction
from treadle.compiler.frontend.predictor import PredictorFunction
from treadle.compiler.frontend.program import Program
from treadle.compiler.frontend.source import Outside

_MOST = 200  # functions looked at, and containers


def calls_steps(function: Any) -> bool:
    """Whether the function, or one it calls by name, calls a predictor or a program."""
    return bool(steps_of(function))


def steps_of(function: Any) -> list[PredictorFunction[..., Any] | Program[..., Any]]:
    """The predictors and programs a function and those it calls mention, in the order of their names."""
    return [found for found in _mentions(function) if not isinstance(found, OpFunction)]


def steps_held(method: FunctionType, instance: object) -> list[PredictorFunction[..., Any] | Program[..., Any]]:
    """The predictors and programs in the attributes of an instance that its method mentions, in the order of names."""
    attributes = getattr(instance, "__dict__", {})
    return _of_container([attributes[name] for name in sorted(_names(method.__code__)) if name in attributes])


def ops_of(function: Any) -> list[OpFunction[..., Any]]:
    """The decorated ops and parameters a function and those it calls mention, in the order of their names."""
    return [found for found in _mentions(function) if isinstance(found, OpFunction)]


def _mentions(function: Any) -> list[Any]:
    found: dict[int, Any] = {}
    seen: set[int] = set()
    left = [function]
    while left and len(seen) < _MOST:
        current = left.pop()
        while isinstance(current, functools.partial):
            current = current.func
        if isinstance(current, OpFunction):
            found[id(current)] = current
        if not isinstance(current, PredictorFunction | Program):  # those wrap a function that is not theirs to run
            current = inspect.unwrap(getattr(current, "__func__", current))
        if id(current) in seen:
            continue
        seen.add(id(current))
        if isinstance(current, PredictorFunction | Program):
            found[id(current)] = current
        elif isinstance(current, FunctionType) and _is_users(current):
            left.extend(_mentioned(current))
    return list(found.values())


def _is_users(function: FunctionType) -> bool:
    """Library code cannot know the user's predictors."""
    return not function.__code__.co_filename.startswith("<frozen")


def _mentioned(function: FunctionType) -> list[Any]:
    outside = Outside.of(function, None)
    names = sorted(_names(function.__code__))
    found: list[Any] = []
    for name in names:
        try:
            value = outside.find(name)
        except LookupError:
            continue
        if isinstance(value, PredictorFunction | Program | OpFunction | FunctionType):
            found.append(value)
        elif isinstance(value, ModuleType):
            found.extend(_of_module(value, names))
        elif isinstance(value, dict | list | tuple):
            found.extend(_of_container(value))
    return found


def _of_container(container: dict[Any, Any] | list[Any] | tuple[Any, ...]) -> list[Any]:
    """The predictors and programs in a dict, list or tuple, and in those inside it."""
    found: list[Any] = []
    seen: set[int] = set()
    left: list[Any] = [container]
    while left and len(seen) < _MOST:
        current = left.pop(0)
        if isinstance(current, PredictorFunction | Program):
            found.append(current)
        elif isinstance(current, dict | list | tuple) and id(current) not in seen:
            seen.add(id(current))
            left.extend(current.values() if isinstance(current, dict) else current)
    return found


def _of_module(module: ModuleType, names: list[str]) -> list[Any]:
    values = (vars(module).get(name) for name in names)
    return [value for value in values if isinstance(value, PredictorFunction | Program | OpFunction)]


def _names(code: CodeType) -> set[str]:
    names = {*code.co_names, *code.co_freevars}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _names(constant)
    return names
