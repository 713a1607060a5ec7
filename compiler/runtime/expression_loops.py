"""Forms of expressions that bind variables: unpacking and comprehensions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from treadle.compiler.errors import GraphError
from treadle.compiler.runtime import sizes
from treadle.compiler.runtime.expression_form import DEEPEST, Code, Form, Inner

Pattern: TypeAlias = Callable[[Any, list[Any]], None]


def _pattern(tree: Any, depth: int) -> Pattern:
    """A function that takes a value apart and appends the variables' values to a list."""
    if depth > DEEPEST:
        raise GraphError(f"a pattern nests more than {DEEPEST} deep")
    if tree == "_":
        return lambda value, into: into.append(value)
    if not isinstance(tree, list | tuple):
        raise ValueError(tree)
    stars = [index for index, part in enumerate(tree) if part == "*"]
    if len(stars) > 1:
        raise ValueError(tree)
    parts = [_pattern("_" if part == "*" else part, depth + 1) for part in tree]
    before, after = (stars[0], len(tree) - stars[0] - 1) if stars else (len(tree), -1)

    def take(value: Any, into: list[Any]) -> None:
        for part, piece in zip(parts, _taken(value, before, after), strict=True):
            part(piece, into)

    return take


def _taken(value: Any, before: int, after: int) -> list[Any]:
    """The pieces ``a, b, *c, d = value`` binds, with Python's words where it cannot."""
    try:
        source = iter(value)
    except TypeError:
        if hasattr(type(value), "__iter__"):
            raise
        raise TypeError(f"cannot unpack non-iterable {type(value).__name__} object") from None
    if after < 0:
        return _exactly(source, before)
    pieces = list(source)
    if len(pieces) < before + after:
        least = before + after
        raise ValueError(f"not enough values to unpack (expected at least {least}, got {len(pieces)})")
    end = len(pieces) - after
    return [*pieces[:before], pieces[before:end], *pieces[end:]]


def _exactly(source: Iterator[Any], count: int) -> list[Any]:
    pieces: list[Any] = []
    for piece in source:
        if len(pieces) == count:
            raise ValueError(f"too many values to unpack (expected {count})")
        pieces.append(piece)
    if len(pieces) < count:
        raise ValueError(f"not enough values to unpack (expected {count}, got {len(pieces)})")
    return pieces


def _unpack(parts: Sequence[Any], inner: Inner) -> Code:
    pattern, value = _pattern(parts[0], 0), inner(parts[1])

    def unpacked(env: tuple[Any, ...]) -> tuple[Any, ...]:
        into: list[Any] = []
        pattern(value(env), into)
        return tuple(into)

    return unpacked


Clause: TypeAlias = tuple[Pattern, Code, list[Code]]


def _each(parts: Sequence[Any], inner: Inner) -> Code:
    kind, element_tree, *clause_trees = parts
    clauses = [_clause(tree, inner) for tree in clause_trees]
    if kind not in ("list", "set", "dict", "generator") or not clauses:
        raise ValueError(kind)
    if kind == "dict":
        key, value = (inner(part) for part in element_tree)
        return lambda env: {key(inner): value(inner) for inner in _turns(clauses, 0, env, [0])}
    element = inner(element_tree)
    if kind == "set":
        return lambda env: {element(inner) for inner in _turns(clauses, 0, env, [0])}
    if kind == "list":
        return lambda env: [element(inner) for inner in _turns(clauses, 0, env, [0])]
    return _generator(element, clauses)


def _generator(element: Code, clauses: list[Clause]) -> Code:
    """As Python does, the first iterable is evaluated when the generator is made, all else when it is consumed."""
    (pattern, first, conditions), *rest = clauses

    def make(env: tuple[Any, ...]) -> Iterator[Any]:
        items = iter(first(env))
        opened: list[Clause] = [(pattern, lambda _: items, conditions), *rest]
        return (element(inner) for inner in _turns(opened, 0, env, [0]))

    return make


def _clause(tree: Any, inner: Inner) -> Clause:
    pattern, iterable, conditions = tree
    return _pattern(pattern, 0), inner(iterable), [inner(part) for part in conditions]


def _turns(clauses: list[Clause], at: int, env: tuple[Any, ...], count: list[int]) -> Iterator[tuple[Any, ...]]:
    """The environments the element is evaluated in, in order."""
    if at == len(clauses):
        yield env
        return
    pattern, iterable, conditions = clauses[at]
    for item in sizes.counted(iterable(env), count):
        bound: list[Any] = []
        pattern(item, bound)
        inner = (*env, *bound)
        if all(condition(inner) for condition in conditions):
            yield from _turns(clauses, at + 1, inner, count)


FORMS: Mapping[str, Form] = {"each": _each, "unpack": _unpack}
