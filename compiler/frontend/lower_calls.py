"""Rules for calls: of steps, ops, programs, pure functions and methods, and ``await``."""

from __future__ import annotations

import ast
import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

import pydantic

from treadle.compiler.frontend import pure
from treadle.compiler.frontend.apply import Arguments, call_op
from treadle.compiler.frontend.callees import Awaitable, callee, is_acall, is_async, is_gather, reading
from treadle.compiler.frontend.code import POISON, Code, const
from treadle.compiler.frontend.comprehensions import read_all, search
from treadle.compiler.frontend.inference import classes
from treadle.compiler.frontend.invoke import apply, arguments, dispatch, step
from treadle.compiler.frontend.lower_pure import call_method, call_pure, format_constant
from treadle.compiler.frontend.lowering import Lowering
from treadle.compiler.frontend.op_function import op_of
from treadle.compiler.frontend.resolve import NotStatic, static
from treadle.compiler.frontend.steps_inside import calls_steps


def lower_call(low: Lowering, tree: ast.Call) -> Code:
    """A call."""
    return _call(low, tree, awaited=False)


def lower_await(low: Lowering, tree: ast.Await) -> Code:
    """``await``: of a call, or of ``asyncio.gather``."""
    match tree.value:
        case ast.Call() as call:
            return _call(low, call, awaited=True)
        case ast.Name() if low.expr(tree.value).poisoned:
            return POISON
    return low.refuse(tree, f"`await {ast.unparse(tree.value)}`: only calls can be awaited")


def _call(low: Lowering, tree: ast.Call, *, awaited: bool) -> Code:
    read = reading(low, tree.func)
    if read is not None:
        predictor, sources = read
        return _awaiting(
            low, tree, predictor.is_async or is_acall(tree.func), awaited, lambda: step(low, tree, predictor, sources)
        )
    if isinstance(tree.func, ast.Subscript):
        return dispatch(low, tree, tree.func, awaited=awaited)
    try:
        found = callee(low, tree.func)
    except NotStatic:
        return _method(low, tree, awaited=awaited)
    return _known(low, tree, found, awaited=awaited)


def _known(low: Lowering, tree: ast.Call, found: Any, *, awaited: bool) -> Code:
    """A call of something that is fixed."""
    if isinstance(found, Awaitable):
        return _awaiting(low, tree, True, awaited, lambda: apply(low, tree, found.target))
    if is_gather(found):
        return _gather(low, tree, awaited=awaited)
    name = pure.function_name(found)
    if name is not None or found is isinstance:
        return _pure_call(low, tree, name or "isinstance")
    if isinstance(found, type(None)) or not callable(found):
        return low.refuse(tree, f"`{ast.unparse(tree.func)}` is not a function")
    return _awaiting(low, tree, is_async(found), awaited, lambda: apply(low, tree, found))


def _awaiting(low: Lowering, tree: ast.Call, is_async: bool, awaited: bool, call: Callable[[], Code]) -> Code:
    """The call, if it is awaited when and only when it has to be."""
    if is_async and not awaited:
        return low.refuse(tree, f"`{ast.unparse(tree.func)}(…)` is not awaited where it stands")
    if awaited and not is_async:
        return low.refuse(tree, f"`await {ast.unparse(tree.func)}(…)`: it is not async")
    return call()


# --- steps, programs, ops --------------------------------------------------------------------------------------------


# --- pure functions and methods --------------------------------------------------------------------------------------


def _pure_call(low: Lowering, tree: ast.Call, name: str) -> Code:
    if name in ("map", "filter") and len(tree.args) == 2 and not tree.keywords and _is_step(low, tree.args[0]):
        return low.expr(_as_generator(tree, name))
    if tree.args and isinstance(tree.args[0], ast.GeneratorExp):
        made = _of_generator(low, tree, name, tree.args[0])
        if made is not None:
            return made
    return call_pure(low, tree, name)


def _is_step(low: Lowering, tree: ast.expr) -> bool:
    try:
        found = static(low, tree)
    except NotStatic:
        return False
    return callable(found) and pure.function_name(found) is None and not is_function_of_text(found)


def is_function_of_text(found: Any) -> bool:
    """Whether it is a method of ``str`` and its like, taken from the class."""
    return type(found).__name__ == "method_descriptor"


def _as_generator(tree: ast.Call, name: str) -> ast.GeneratorExp:
    """``map(f, xs)`` as ``(f(x) for x in xs)``."""
    variable = ast.Name(id="$x", ctx=ast.Load())
    call = ast.Call(func=tree.args[0], args=[variable], keywords=[])
    target = ast.Name(id="$x", ctx=ast.Store())
    mapped = name == "map"
    clause = ast.comprehension(target=target, iter=tree.args[1], ifs=[] if mapped else [call], is_async=0)
    made = ast.GeneratorExp(elt=call if mapped else variable, generators=[clause])
    for node in ast.walk(made):
        if isinstance(node, ast.expr) and not hasattr(node, "lineno"):
            ast.copy_location(node, tree)
    return made


def _of_generator(low: Lowering, tree: ast.Call, name: str, generator: ast.GeneratorExp) -> Code | None:
    """A pure function of a generator that calls steps or ops; ``None`` where it is pure after all."""
    if low.purely(lambda: low.expr(generator)) is not None:
        return None
    low.needs_place()
    if name in ("any", "all") and len(tree.args) == 1:
        return search(low, generator, name, const(value=name == "all"))
    if name == "next" and len(tree.args) == 2:
        return search(low, generator, name, low.expr(tree.args[1]))
    if name not in pure.READS_ALL:
        return low.refuse(tree, f"{name}(…) of a generator that calls steps or ops: write a list")
    simple = name in ("sum", "max", "min")
    hashed = name in ("set", "frozenset", "dict", "collections.Counter")
    made = read_all(low, generator, simple=simple, hashed=hashed)
    return call_pure(low, tree, name, first=made)


def _method(low: Lowering, tree: ast.Call, *, awaited: bool) -> Code:
    """A method of a value."""
    if not isinstance(tree.func, ast.Attribute):
        return low.refuse(
            tree, f"`{ast.unparse(tree.func)}(…)` calls a value; call a step, an op or a function by name"
        )
    if awaited:
        return low.refuse(tree, f"`await {ast.unparse(tree.func)}(…)`: a method of a value")
    if tree.func.attr == "format":
        made = format_constant(low, tree)
        if made is not None:
            return made
    generator = tree.args[0] if len(tree.args) == 1 and isinstance(tree.args[0], ast.GeneratorExp) else None
    if tree.func.attr == "join" and generator is not None:
        whole = tree.func.value
        separator, parts = low.in_order(
            [lambda: low.expr(whole), lambda: read_all(low, generator, simple=False, hashed=False)]
        )
        return call_method(low, tree, separator, [parts])
    receiver = low.expr(tree.func.value)
    if receiver.poisoned:
        for part in tree.args:
            low.expr(part.value if isinstance(part, ast.Starred) else part)
        return POISON
    kinds = classes(receiver.type)
    if kinds and all(pure.has_method(kind, tree.func.attr) for kind in kinds):
        return call_method(low, tree, receiver, None)
    if len(kinds) == 1 and inspect.isfunction(found := getattr(kinds[0], tree.func.attr, None)):
        return _users_method(low, tree, receiver, kinds[0], found)
    from treadle.compiler.frontend.lower_values import unknown

    return low.refuse(tree, unknown(low, tree.func.value, receiver, f".{tree.func.attr}()"))


def _users_method(low: Lowering, tree: ast.Call, receiver: Code, kind: Any, found: Any) -> Code:
    """A method the user wrote on a model or dataclass: an op of its object."""
    if not (issubclass(kind, pydantic.BaseModel) or dataclasses.is_dataclass(kind)):
        return low.refuse(tree, f"`{ast.unparse(tree.func)}()` is a method of {kind.__name__}, which may keep state")
    if calls_steps(found):
        return low.refuse(tree, f"`{ast.unparse(tree.func)}()` calls steps inside a method of a value")
    pinned = low.pinned(receiver)
    given = arguments(low, tree)
    if given is None:
        return POISON
    whole = Arguments([pinned, *given.positional], given.keywords)
    return call_op(low, op_of(found, name=f"{kind.__name__}.{found.__name__}"), whole, tree)


# --- asyncio.gather, raise -------------------------------------------------------------------------------------------


def _gather(low: Lowering, tree: ast.Call, *, awaited: bool) -> Code:
    """``await asyncio.gather(…)``: the calls, one after another in the program's order; they overlap by themselves."""
    if not awaited:
        return low.refuse(tree, "`asyncio.gather(…)` that is not awaited where it stands")
    if tree.keywords:
        return low.refuse(tree, "`asyncio.gather` with options")
    awaits = [_awaited_part(part) for part in tree.args]
    made: ast.expr = ast.copy_location(ast.List(elts=awaits, ctx=ast.Load()), tree)
    if len(awaits) == 1 and isinstance(awaits[0], ast.Starred):
        made = awaits[0].value
    return low.expr(made)


def gathered_in_parts(low: Lowering, tree: ast.expr) -> ast.expr:
    """``await asyncio.gather(x, y)`` as the list it gives, written out, so that each part keeps its own type."""
    match tree:
        case ast.Await(value=ast.Call(func=called, args=[_, _, *_] as parts, keywords=[])):
            if any(isinstance(part, ast.Starred) for part in parts) or not _is_gather(low, called):
                return tree
            return ast.copy_location(ast.List(elts=[_awaited_part(part) for part in parts], ctx=ast.Load()), tree)
    return tree


def _is_gather(low: Lowering, called: ast.expr) -> bool:
    try:
        return is_gather(callee(low, called))
    except NotStatic:
        return False


def _awaited_part(part: ast.expr) -> ast.expr:
    """An argument of ``gather`` as what awaiting it gives."""
    if isinstance(part, ast.Starred):
        return ast.copy_location(ast.Starred(value=_awaited_all(part.value), ctx=ast.Load()), part)
    return ast.copy_location(ast.Await(value=part), part)


def _awaited_all(part: ast.expr) -> ast.expr:
    match part:
        case ast.ListComp(elt=elt, generators=generators) | ast.GeneratorExp(elt=elt, generators=generators):
            inner = ast.copy_location(ast.Await(value=elt), elt)
            return ast.copy_location(ast.ListComp(elt=inner, generators=generators), part)
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            return ast.copy_location(ast.List(elts=[_awaited_part(inner) for inner in parts], ctx=ast.Load()), part)
    return ast.copy_location(ast.Await(value=part), part)
