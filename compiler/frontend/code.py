"""Expressions on their way: a pure expression that is not yet a node, with what is known of its value."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from treadle.compiler.annotations import Annotation
from treadle.compiler.canonical import JSON
from treadle.compiler.graph.nodes import Ref

Tree = Any
"""An expression as in ``runtime/expressions.py``, but with two leaves of its own: ``["ref", value]`` is a value of the
graph, ``["name", token]`` a variable of a lambda or comprehension. ``finished`` replaces them."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Code:
    """A pure expression.

    Attributes:
        tree: The expression.
        type: Its static type; ``Any`` where unknown.
        fresh: Whether it gives a new object, which nobody else holds.
        names: Locals whose objects its value may be or hold.
        direct: Whether it is just a local.
        lazy: Whether it gives an iterator, which can be read once.
        fails_late: Whether it is an iterator whose elements may fail when they are read.
        most: The most elements it has, where that is known.
        least: The fewest elements it has.
        poisoned: Whether it stands for something that could not be lowered.
    """

    tree: Tree
    type: Annotation = Any
    fresh: bool = False
    names: frozenset[str] = frozenset()
    direct: bool = False
    lazy: bool = False
    fails_late: bool = False
    most: int | None = None
    least: int = 0
    poisoned: bool = False

    @property
    def inside(self) -> frozenset[str]:
        """Locals whose objects a shallow copy or a part of the value may still hold."""
        return frozenset() if self.direct else self.names

    @property
    def is_const(self) -> bool:
        """Whether it is a scalar constant."""
        return bool(self.tree[0] == "const")

    @property
    def is_ref(self) -> bool:
        """Whether it is a value of the graph as it is."""
        return bool(self.tree[0] == "ref")


POISON = Code(tree=["const", None], poisoned=True)
"""Stands for what could not be lowered, so that further reasons can be found without echoes of the first."""


def const(value: JSON) -> Code:
    """A scalar constant."""
    return Code(tree=["const", value], type=_scalar_type(value))


def _scalar_type(value: JSON) -> Annotation:
    return type(None) if value is None else Literal[value] if isinstance(value, str | bool | int) else type(value)


def is_scalar(value: object) -> bool:
    """Whether ``value`` is a constant an expression can hold."""
    kind = type(value)
    return value is None or kind in (str, bool, int) or (kind is float and math.isfinite(value))  # type: ignore[arg-type]


def of_ref(ref: Ref, annotation: Annotation) -> Code:
    """A value of the graph."""
    return Code(tree=["ref", ref], type=annotation)


def names_of(codes: Iterable[Code], *, parts: bool = False) -> frozenset[str]:
    """Locals that any of the codes may be or hold; with ``parts`` those that a shallow copy of them may hold."""
    return frozenset().union(*(code.inside if parts else code.names for code in codes))


def finished(tree: Tree) -> tuple[JSON, tuple[Ref, ...]]:
    """The expression as a graph holds it, and the values it reads in the order in which it first reads them."""
    refs: dict[Ref, int] = {}
    return _finished(tree, (), refs), tuple(refs)


def _finished(tree: Tree, bound: tuple[int, ...], refs: dict[Ref, int]) -> Any:
    if not isinstance(tree, list):
        return tree
    if tree and isinstance(tree[0], str):
        if tree[0] == "ref":
            return ["arg", refs.setdefault(tree[1], len(refs))]
        if tree[0] == "name":
            return ["var", bound[::-1].index(tree[1])]
        if tree[0] == "const":
            return tree
        if tree[0] == "lambda":
            return ["lambda", len(tree[1]), _finished(tree[2], (*bound, *tree[1]), refs)]
        if tree[0] == "each":
            return _finished_each(tree, bound, refs)
    return [_finished_part(part, bound, refs) for part in tree]


def _finished_part(part: Tree, bound: tuple[int, ...], refs: dict[Ref, int]) -> Any:
    if isinstance(part, dict):
        return {name: _finished(inner, bound, refs) for name, inner in part.items()}
    return _finished(part, bound, refs)


def _finished_each(tree: Sequence[Any], bound: tuple[int, ...], refs: dict[Ref, int]) -> JSON:
    _, kind, element, *clauses = tree
    made: list[JSON] = []
    for pattern, iterable, conditions in clauses:
        items = _finished(iterable, bound, refs)
        bound = (*bound, *tokens_of(pattern))
        made.append([pattern_of(pattern), items, [_finished(condition, bound, refs) for condition in conditions]])
    inner = [_finished(part, bound, refs) for part in element] if kind == "dict" else _finished(element, bound, refs)
    return ["each", kind, inner, *made]


Pattern = Any
"""What a target binds: a token for one variable, ``("*", token)`` for the rest, or a list of patterns."""


def tokens_of(pattern: Pattern) -> list[int]:
    """The variables of a pattern, in the order in which they are bound."""
    if isinstance(pattern, int):
        return [pattern]
    if isinstance(pattern, tuple):
        return [pattern[1]]
    return [token for part in pattern for token in tokens_of(part)]


def pattern_of(pattern: Pattern) -> JSON:
    """The pattern as an expression holds it."""
    if isinstance(pattern, int):
        return "_"
    if isinstance(pattern, tuple):
        return "*"
    return [pattern_of(part) for part in pattern]
