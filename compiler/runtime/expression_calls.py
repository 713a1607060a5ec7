"""Forms of expressions that call: functions and methods of the allow-list, and functions as values."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from treadle.compiler.errors import GraphError
from treadle.compiler.runtime import allowed, sizes
from treadle.compiler.runtime.expression_form import Code, Form, Inner, index
from treadle.compiler.runtime.expression_values import elements


def _arguments(parts: Sequence[Any], inner: Inner) -> tuple[Code, Mapping[str, Code]]:
    positional, named = parts
    return elements(positional, inner), {str(name): inner(part) for name, part in named.items()}


def _call(parts: Sequence[Any], inner: Inner) -> Code:
    function = _function_named(parts[0])
    positional, named = _arguments(parts[1:], inner)
    if not named:
        return lambda env: function(*positional(env))
    return lambda env: function(*positional(env), **{name: code(env) for name, code in named.items()})


def _function_named(name: str) -> Callable[..., Any]:
    found = allowed.FUNCTIONS.get(name)
    if found is None:
        raise GraphError(f"an expression may not call {name!r}: it is not in the table of pure functions")
    return found


def _function(parts: Sequence[Any], inner: Inner) -> Code:
    function = _function_named(parts[0])
    return lambda env: function


def _method(parts: Sequence[Any], inner: Inner) -> Code:
    receiver, name = inner(parts[0]), str(parts[1])
    positional, named = _arguments(parts[2:], inner)

    def called(env: tuple[Any, ...]) -> Any:
        value = receiver(env)
        guard = allowed.method_guard(value, name)
        args, kwargs = positional(env), {key: code(env) for key, code in named.items()}
        if name == "join" and len(args) == 1 and not isinstance(args[0], str):
            args = [list(args[0])] if isinstance(args[0], Iterable) else args
        guard(value, args, kwargs)
        return getattr(value, name)(*args, **kwargs)

    return called


def _changed(parts: Sequence[Any], inner: Inner) -> Code:
    receiver, name = inner(parts[0]), str(parts[1])
    positional, named = _arguments(parts[2:], inner)
    if not any(name in names for names in allowed.CHANGES.values()) and name != "__setitem__":
        raise GraphError(f"an expression may not change a value with {name!r}")

    def changed(env: tuple[Any, ...]) -> Any:
        value = receiver(env)
        args, kwargs = positional(env), {key: code(env) for key, code in named.items()}
        if name != "__setitem__" and name not in allowed.CHANGES.get(type(value), ()):
            raise allowed.no_attribute(value, name)
        copied = value.copy()
        if name == "__setitem__":
            operator.setitem(copied, *args)
        else:
            getattr(copied, name)(*args, **kwargs)
        sizes.refuse("a collection", len(copied), sizes.LARGEST_COLLECTION)
        return copied

    return changed


def _bound(parts: Sequence[Any], inner: Inner) -> Code:
    receiver, name = inner(parts[0]), str(parts[1])

    def bound(env: tuple[Any, ...]) -> Callable[..., Any]:
        value = receiver(env)
        guard = allowed.method_guard(value, name)
        return _guarded(getattr(value, name), lambda args, kwargs: guard(value, args, kwargs))

    return bound


def _unbound(parts: Sequence[Any], inner: Inner) -> Code:
    kind = next(base for base in allowed.METHODS if base.__name__ == parts[0])
    name = str(parts[1])
    guard = allowed.METHODS[kind][name]
    function = _guarded(getattr(kind, name), lambda args, kwargs: guard(args[0], args[1:], kwargs) if args else None)
    return lambda env: function


def _guarded(
    function: Callable[..., Any], guard: Callable[[Sequence[Any], Mapping[str, Any]], None]
) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        guard(args, kwargs)
        return function(*args, **kwargs)

    return call


def _is(parts: Sequence[Any], inner: Inner) -> Code:
    value, names = inner(parts[0]), tuple(str(name) for name in parts[1])
    return lambda env: allowed.is_instance(value(env), names)


def _lambda(parts: Sequence[Any], inner: Inner) -> Code:
    arity, body = index(parts[0]), inner(parts[1])

    def make(env: tuple[Any, ...]) -> Callable[..., Any]:
        def function(*values: Any) -> Any:
            if len(values) != arity:
                missing = f"takes {arity} positional arguments but {len(values)} were given"
                raise TypeError(f"<lambda>() {missing}")
            return body((*env, *values))

        return function

    return make


FORMS: Mapping[str, Form] = {
    "bound": _bound,
    "call": _call,
    "changed": _changed,
    "function": _function,
    "is": _is,
    "lambda": _lambda,
    "method": _method,
    "unbound": _unbound,
}
