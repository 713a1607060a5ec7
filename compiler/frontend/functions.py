"""Functions as arguments of pure functions: lambdas, allowed functions, methods of values."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from treadle.compiler.annotations import Annotation
from treadle.compiler.frontend import pure
from treadle.compiler.frontend.code import POISON, Code
from treadle.compiler.frontend.inference import classes
from treadle.compiler.frontend.resolve import NotStatic, static
from treadle.compiler.frontend.state import Binding
from treadle.compiler.runtime import allowed

if TYPE_CHECKING:
    from treadle.compiler.frontend.lowering import Lowering


@dataclasses.dataclass(frozen=True)
class Function:
    """A function as a value, and the type of what it returns."""

    code: Code
    returns: Annotation


def is_function(low: Lowering, tree: ast.expr) -> bool:
    """Whether an argument is a function rather than data."""
    if isinstance(tree, ast.Lambda):
        return True
    if isinstance(tree, ast.Attribute) and not _is_static(low, tree.value):
        kinds = classes(_type_of(low, tree.value))
        return bool(kinds) and all(pure.has_method(kind, tree.attr) for kind in kinds)
    try:
        return callable(static(low, tree))
    except NotStatic:
        return False


def _is_static(low: Lowering, tree: ast.expr) -> bool:
    try:
        static(low, tree)
    except NotStatic:
        return False
    return True


def _type_of(low: Lowering, tree: ast.expr) -> Annotation:
    found = low.purely(lambda: low.expr(tree))
    return Any if found is None else found.type


def function_code(low: Lowering, tree: ast.expr, types: Sequence[Annotation]) -> Function:
    """The function an argument is, called with arguments of these types."""
    if isinstance(tree, ast.Lambda):
        return _lambda(low, tree, types)
    try:
        found = static(low, tree)
    except NotStatic:
        return _bound(low, tree, types)
    name = pure.function_name(found)
    if name is not None:
        return Function(Code(tree=["function", name]), pure.result(name, types))
    for kind, methods in allowed.METHODS.items():
        for method in methods:
            if found is getattr(kind, method, None) and kind.__module__ == "builtins":
                result = pure.method_result(types[0] if types else kind, method, types[1:])
                return Function(Code(tree=["unbound", kind.__name__, method]), result)
    text = f"`{ast.unparse(tree)}` is passed as a function; only lambdas and the pure functions can be"
    return Function(low.refuse(tree, text), Any)


def _bound(low: Lowering, tree: ast.expr, types: Sequence[Annotation]) -> Function:
    if not isinstance(tree, ast.Attribute):
        return Function(low.refuse(tree, f"`{ast.unparse(tree)}` is passed as a function"), Any)
    receiver = low.expr(tree.value)
    result = pure.method_result(receiver.type, tree.attr, types)
    return Function(Code(tree=["bound", receiver.tree, tree.attr], poisoned=receiver.poisoned), result)


def _lambda(low: Lowering, tree: ast.Lambda, types: Sequence[Annotation]) -> Function:
    given = tree.args
    if given.vararg or given.kwarg or given.kwonlyargs or given.defaults:
        return Function(low.refuse(tree, "a lambda with more than plain arguments"), Any)
    names = [argument.arg for argument in (*given.posonlyargs, *given.args)]
    tokens = [low.token() for _ in names]
    kinds = [*types, *[Any] * len(names)][: len(names)]
    kept = dict(low.env)
    for name, token, kind in zip(names, tokens, kinds, strict=True):
        low.env[name] = Binding(code=Code(tree=["name", token], type=kind))
    try:
        body = low.purely(lambda: low.expr(tree.body))
    finally:
        low.env = kept
    if body is None:
        return Function(low.refuse(tree, "a lambda that calls a step or an op"), Any)
    if body.poisoned:
        return Function(POISON, Any)
    return Function(Code(tree=["lambda", tokens, body.tree], names=body.names), body.type)
