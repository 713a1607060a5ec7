"""Forms of expressions that are operators: arithmetic, comparisons, truth."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from treadle.compiler.runtime import sizes
from treadle.compiler.runtime.expression_form import Code, Form, Inner

_UNARY: Mapping[str, Callable[[Any], Any]] = {
    "not": operator.not_,
    "-": operator.neg,
    "+": operator.pos,
    "~": operator.invert,
}

_BINARY: Mapping[
    str, tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any], Callable[[Any, Any], None] | None]
] = {
    "+": (operator.add, operator.iadd, sizes.guard_add),
    "-": (operator.sub, operator.isub, None),
    "*": (operator.mul, operator.imul, sizes.guard_multiply),
    "/": (operator.truediv, operator.itruediv, None),
    "//": (operator.floordiv, operator.ifloordiv, None),
    "%": (operator.mod, operator.imod, sizes.guard_percent),
    "**": (operator.pow, operator.ipow, sizes.guard_power),
    "<<": (operator.lshift, operator.ilshift, sizes.guard_shift),
    ">>": (operator.rshift, operator.irshift, None),
    "&": (operator.and_, operator.iand, None),
    "|": (operator.or_, operator.ior, sizes.guard_add),
    "^": (operator.xor, operator.ixor, sizes.guard_add),
}

_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "is": operator.is_,
    "is not": operator.is_not,
    "in": lambda a, b: operator.contains(b, a),
    "not in": lambda a, b: not operator.contains(b, a),
}


def _unary(parts: Sequence[Any], inner: Inner) -> Code:
    function, value = _UNARY[parts[0]], inner(parts[1])
    return lambda env: function(value(env))


def _binary(parts: Sequence[Any], inner: Inner) -> Code:
    function, _, guard = _BINARY[parts[0]]
    left, right = inner(parts[1]), inner(parts[2])
    if guard is None:
        return lambda env: function(left(env), right(env))
    watch = guard

    def guarded(env: tuple[Any, ...]) -> Any:
        a, b = left(env), right(env)
        watch(a, b)
        return function(a, b)

    return guarded


def _inplace(parts: Sequence[Any], inner: Inner) -> Code:
    _, function, guard = _BINARY[parts[0]]
    left, right = inner(parts[1]), inner(parts[2])

    def changed(env: tuple[Any, ...]) -> Any:
        a, b = left(env), right(env)
        if guard is not None:
            guard(a, b)
        return function(a.copy() if isinstance(a, list | set | dict) else a, b)

    return changed


def _compare(parts: Sequence[Any], inner: Inner) -> Code:
    first = inner(parts[0])
    if len(parts) % 2 == 0 or len(parts) < 3:
        raise ValueError(parts)
    rest = [(_COMPARE[parts[i]], inner(parts[i + 1])) for i in range(1, len(parts), 2)]
    if len(rest) == 1:
        ((function, second),) = rest
        return lambda env: function(first(env), second(env))

    def chain(env: tuple[Any, ...]) -> Any:
        left = first(env)
        result: Any = True
        for test, code in rest:
            right = code(env)
            result = test(left, right)
            if not result:
                return result
            left = right
        return result

    return chain


def _and(parts: Sequence[Any], inner: Inner) -> Code:
    *some, last = [inner(part) for part in parts]

    def both(env: tuple[Any, ...]) -> Any:
        for code in some:
            value = code(env)
            if not value:
                return value
        return last(env)

    return both


def _or(parts: Sequence[Any], inner: Inner) -> Code:
    *some, last = [inner(part) for part in parts]

    def either(env: tuple[Any, ...]) -> Any:
        for code in some:
            value = code(env)
            if value:
                return value
        return last(env)

    return either


def _if(parts: Sequence[Any], inner: Inner) -> Code:
    test, then, otherwise = (inner(part) for part in parts)
    return lambda env: then(env) if test(env) else otherwise(env)


FORMS: Mapping[str, Form] = {
    "and": _and,
    "binary": _binary,
    "compare": _compare,
    "if": _if,
    "inplace": _inplace,
    "or": _or,
    "unary": _unary,
}
