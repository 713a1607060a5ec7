"""What a condition says of the types of names where it holds, and where it does not."""

from __future__ import annotations

import ast
import dataclasses
from typing import TYPE_CHECKING, Any

from treadle.compiler.annotations import Annotation
from treadle.compiler.frontend.inference import NONE, bare, members, union
from treadle.compiler.frontend.state import Binding

if TYPE_CHECKING:
    from treadle.compiler.frontend.lowering import Lowering

Known = dict[str, Binding]
"""Bindings with a narrower type, by name."""


def narrow(low: Lowering, test: ast.expr) -> tuple[Known, Known]:
    """The bindings where the condition is true, and where it is false."""
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            return narrow(low, inner)[::-1]
        case ast.BoolOp(op=ast.And(), values=values):
            return {name: found for value in values for name, found in narrow(low, value)[0].items()}, {}
        case ast.BoolOp(op=ast.Or(), values=values):
            return {}, {name: found for value in values for name, found in narrow(low, value)[1].items()}
        case ast.Compare(left=left, ops=[op], comparators=[ast.Constant(value=None)]):
            is_none, is_some = _without(low, left, none=False), _without(low, left, none=True)
            if isinstance(op, ast.Is | ast.Eq):
                return is_none, is_some
            if isinstance(op, ast.IsNot | ast.NotEq):
                return is_some, is_none
        case ast.NamedExpr(target=ast.Name() as target):
            return _without(low, target, none=True), {}
        case ast.Name():
            return _without(low, test, none=True), {}
        case ast.Call(func=ast.Name(id="isinstance"), args=[ast.Name() as name, kinds]):
            return _instance(low, name, kinds)
    return {}, {}


def _without(low: Lowering, tree: ast.expr, *, none: bool) -> Known:
    """The name without None, or as nothing but None."""
    if isinstance(tree, ast.NamedExpr):
        tree = tree.target
    if not isinstance(tree, ast.Name):
        return {}
    return _kept(low, tree, lambda member: (member is NONE) != none)


def _instance(low: Lowering, name: ast.Name, kinds: ast.expr) -> tuple[Known, Known]:
    trees = kinds.elts if isinstance(kinds, ast.Tuple) else [kinds]
    try:
        given = tuple(low.outside.find(tree.id) for tree in trees if isinstance(tree, ast.Name))
    except LookupError:
        return {}, {}
    if len(given) < len(trees) or not all(isinstance(kind, type) for kind in given):
        return {}, {}
    is_one = _kept(low, name, lambda member: _is_subclass(member, given))
    return is_one, _kept(low, name, lambda member: not _is_subclass(member, given))


def _is_subclass(member: Annotation, kinds: tuple[Any, ...]) -> bool:
    origin = getattr(member, "__origin__", member)
    return isinstance(origin, type) and issubclass(origin, kinds)


def _kept(low: Lowering, name: ast.Name, test: Any) -> Known:
    """The name's binding with the members of its type that pass; nothing where none or all do."""
    binding = low.env.get(name.id)
    if binding is None:
        return {}
    parts = members(bare(binding.code.type))
    kept = [part for part in parts if test(part)]
    if not kept or len(kept) == len(parts):
        return {}
    return {name.id: dataclasses.replace(binding, code=dataclasses.replace(binding.code, type=union(kept)))}
