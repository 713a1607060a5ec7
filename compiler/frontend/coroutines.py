"""Coroutines with names: ``tasks = [f(x) for x in xs]`` and then ``await asyncio.gather(*tasks)``.

A coroutine runs when it is awaited. So where the statements behind await what was named, and do nothing else before,
the names are replaced by the calls they stand for. Anything else is not in the captured part of Python, and says so.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from treadle.compiler.frontend.callees import Awaitable, callee, is_async, is_gather, reading
from treadle.compiler.frontend.resolve import NotStatic, static

if TYPE_CHECKING:
    from treadle.compiler.frontend.lowering import Lowering


def awaited_in_place(low: Lowering, body: Sequence[ast.stmt]) -> list[ast.stmt]:
    """The statements with named coroutines put where they are awaited."""
    if not low.is_async:
        return list(body)
    kept: list[ast.stmt] = []
    named: dict[str, ast.expr] = {}
    for statement in body:
        made = _named(low, statement)
        if made is not None:
            named[made[0]] = made[1]
        elif named:
            kept.append(_replaced(low, statement, named))
        else:
            kept.append(statement)
    for name, value in named.items():
        low.refuse(value, f"the coroutine {name!r} is not awaited right behind")
        low.forget(frozenset({name}))
    return kept


def _named(low: Lowering, statement: ast.stmt) -> tuple[str, ast.expr] | None:
    """The name and the coroutine, or list of coroutines, a statement binds it to."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value) if _is_coroutine(low, value):
            return name, _without_task(low, value)
    return None


def _is_coroutine(low: Lowering, tree: ast.expr) -> bool:
    match tree:
        case ast.ListComp(elt=elt) if not isinstance(elt, ast.Await):
            return _is_coroutine(low, elt)
        case ast.List(elts=[_, *_] as parts):
            return all(_is_coroutine(low, part) for part in parts)
        case ast.Call():
            return _is_task(low, tree) or _gives_awaitable(low, tree)
    return False


def _gives_awaitable(low: Lowering, tree: ast.Call) -> bool:
    read = reading(low, tree.func)
    if read is not None:
        return read[0].is_async
    try:
        found: Any = callee(low, tree.func)
    except NotStatic:
        return False
    return isinstance(found, Awaitable) or (not is_gather(found) and is_async(found))


def _is_task(low: Lowering, tree: ast.expr) -> bool:
    """Whether it is ``asyncio.create_task(call)``: the steps of a graph overlap by themselves."""
    match tree:
        case ast.Call(func=function, args=[ast.Call() as call], keywords=[]):
            try:
                found = static(low, function)
            except NotStatic:
                return False
            tasks = getattr(found, "__name__", "") in ("create_task", "ensure_future")
            return tasks and getattr(found, "__module__", "").startswith("asyncio") and _gives_awaitable(low, call)
    return False


def _without_task(low: Lowering, tree: ast.expr) -> ast.expr:
    """The coroutine itself in the place of a task of it."""
    match tree:
        case ast.Call(args=[call]) if _is_task(low, tree):
            return call
        case ast.ListComp(elt=elt):
            return ast.copy_location(ast.ListComp(elt=_without_task(low, elt), generators=tree.generators), tree)
        case ast.List(elts=parts):
            return ast.copy_location(ast.List(elts=[_without_task(low, part) for part in parts], ctx=tree.ctx), tree)
    return tree


def _replaced(low: Lowering, statement: ast.stmt, named: dict[str, ast.expr]) -> ast.stmt:
    """A statement that awaits named coroutines, in the order in which they were made, with the calls in their place."""
    awaited = _names_awaited(getattr(statement, "value", None))
    if not awaited or awaited != list(named)[: len(awaited)]:
        return statement
    made = _Replacement({name: named.pop(name) for name in awaited}).visit(copy.deepcopy(statement))
    assert isinstance(made, ast.stmt)
    return made


def _names_awaited(value: ast.expr | None) -> list[str]:
    """The names of ``await x`` or ``await asyncio.gather(x, *xs)``; none where there is anything else."""
    match value:
        case ast.Await(value=ast.Name(id=name)):
            return [name]
        case ast.Await(value=ast.Call(args=args, keywords=[])):
            inner = [part.value if isinstance(part, ast.Starred) else part for part in args]
            names = [part.id for part in inner if isinstance(part, ast.Name)]
            return names if len(names) == len(args) else []
    return []


class _Replacement(ast.NodeTransformer):
    """Puts expressions in the place of names that are read."""

    def __init__(self, named: dict[str, ast.expr]) -> None:
        self._named = named

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """The expression the name stands for."""
        return self._named.get(node.id, node) if isinstance(node.ctx, ast.Load) else node
