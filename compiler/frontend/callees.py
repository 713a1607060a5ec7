"""What a call calls: found in the source, before anything runs."""

from __future__ import annotations

import ast
import dataclasses
import inspect
from types import MethodType
from typing import TYPE_CHECKING, Any

from treadle.compiler.frontend.op_function import OpFunction
from treadle.compiler.frontend.predictor import PredictorFunction
from treadle.compiler.frontend.program import Program
from treadle.compiler.frontend.resolve import NotStatic, is_data, static

if TYPE_CHECKING:
    from treadle.compiler.frontend.lowering import Lowering


def is_acall(tree: ast.expr) -> bool:
    """Whether the async way to call something is what is called."""
    return isinstance(tree, ast.Attribute) and tree.attr == "acall"


def callee(low: Lowering, tree: ast.expr) -> Any:
    """What is called, if it is fixed; the method of a piece of data is not: it is a method of a value."""
    if isinstance(tree, ast.Attribute):
        owner = static(low, tree.value)
        if tree.attr == "acall" and isinstance(owner, PredictorFunction | Program):
            return Awaitable(owner)
        if is_data(owner) and not isinstance(owner, type) and owner is not low.outside.instance:
            found = getattr(owner, tree.attr, None)
            if not (isinstance(found, PredictorFunction | Program) or _is_users_method(found)):
                raise NotStatic
    return static(low, tree)


@dataclasses.dataclass(frozen=True)
class Awaitable:
    """``predictor.acall``: called, it has to be awaited."""

    target: Any


def _is_users_method(found: object) -> bool:
    """Whether a method of a constant was written by the user, not by Python or pydantic."""
    if not isinstance(found, MethodType):
        return False
    return (found.__func__.__module__ or "").partition(".")[0] != "pydantic"


def is_async(found: Any) -> bool:
    """Whether calling it gives an awaitable."""
    if isinstance(found, PredictorFunction):
        return found.is_async
    if isinstance(found, Program):
        return found.declaration.is_async
    return inspect.iscoroutinefunction(found.op.function if isinstance(found, OpFunction) else found)


def reading(low: Lowering, tree: ast.expr) -> tuple[PredictorFunction[..., Any], list[ast.keyword]] | None:
    """``predictor.reading(source=value)``, as what is called."""
    if is_acall(tree):
        assert isinstance(tree, ast.Attribute)
        tree = tree.value
    match tree:
        case ast.Call(func=ast.Attribute(value=inner, attr="reading"), args=[], keywords=words):
            try:
                found = static(low, inner)
            except NotStatic:
                return None
            if isinstance(found, PredictorFunction) and all(word.arg is not None for word in words):
                return found, words
    return None


def is_gather(found: Any) -> bool:
    """Whether it is ``asyncio.gather``."""
    return getattr(found, "__name__", "") == "gather" and getattr(found, "__module__", "").startswith("asyncio")
