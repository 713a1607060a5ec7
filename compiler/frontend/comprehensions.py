"""Comprehensions and generators: one expression where they are pure, else the loops they are short for."""

from __future__ import annotations

import ast
import dataclasses
from typing import TYPE_CHECKING, Any, Never

from treadle.compiler.annotations import Annotation
from treadle.compiler.frontend import liveness
from treadle.compiler.frontend.code import POISON, Code, names_of
from treadle.compiler.frontend.inference import DICT, element, is_hashable, members, widened
from treadle.compiler.frontend.state import Binding
from treadle.compiler.frontend.targets import pattern

if TYPE_CHECKING:
    from treadle.compiler.frontend.lowering import Lowering


Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


def lower_comprehension(low: Lowering, tree: Comprehension) -> Code:
    """A comprehension: one expression if it is pure, else the loop it is short for."""
    if any(generator.is_async for generator in tree.generators):
        return low.refuse(tree, "`async for`")
    pure = low.purely(lambda: _pure(low, tree))
    if pure is not None:
        return pure
    low.needs_place()
    return _as_loop(low, tree)


def lower_generator(low: Lowering, tree: ast.GeneratorExp) -> Code:
    """A generator that nobody reads at once."""
    if _awaits(tree):
        return low.refuse(tree, "a generator with `await` in it is an async one, which only `async for` can read")
    code = low.purely(lambda: _pure(low, tree))
    if code is not None:
        return code
    low.needs_place()
    return low.refuse(tree, "a generator whose elements call steps or ops, read later: write a list")


def _awaits(tree: ast.GeneratorExp) -> bool:
    """Whether the generator waits when it is read; its first iterable is evaluated when it is made."""
    first, *others = tree.generators
    later = [tree.elt, *first.ifs, *others]
    return any(isinstance(node, ast.Await) for part in later for node in ast.walk(part))


_KINDS: dict[type[ast.AST], tuple[str, Any]] = {
    ast.ListComp: ("list", list),
    ast.SetComp: ("set", set),
    ast.DictComp: ("dict", dict),
    ast.GeneratorExp: ("generator", list),
}


def _pure(low: Lowering, tree: Comprehension) -> Code:
    kept = dict(low.env)
    try:
        return _pure_each(low, tree)
    finally:
        low.env = kept


def _pure_each(low: Lowering, tree: Comprehension) -> Code:
    form, kind = _KINDS[type(tree)]
    clauses: list[Any] = []
    sources: list[Code] = []
    for generator in tree.generators:
        items = low.expr(generator.iter)
        sources.append(items)
        found = pattern(low, generator.target, element(items.type))
        if found is None or items.poisoned:
            return POISON
        targets, codes = found
        low.env.update({name: Binding(code=code) for name, code in codes.items()})
        clauses.append([targets, items.tree, [low.expr(test).tree for test in generator.ifs]])
    parts = low.exprs([tree.key, tree.value] if isinstance(tree, ast.DictComp) else [tree.elt])
    if any(part.lazy for part in parts):
        return low.refuse(tree, "an iterator inside a comprehension, which can be read only once")
    lazy = form == "generator"
    every = form == "list" and len(clauses) == 1 and not tree.generators[0].ifs
    return Code(
        tree=["each", form, [part.tree for part in parts] if form == "dict" else parts[0].tree, *clauses],
        type=kind[tuple(part.type for part in parts)] if form == "dict" else kind[parts[0].type],
        fresh=not lazy,
        names=names_of(parts) | (names_of(sources) if lazy else frozenset()),
        lazy=lazy,
        fails_late=lazy,
        most=sources[0].most if len(clauses) == 1 else None,
        least=sources[0].least if every else 0,
        poisoned=any(part.poisoned for part in parts),
    )


_COLLECT = {ast.ListComp: "append", ast.GeneratorExp: "append", ast.SetComp: "add", ast.DictComp: "update"}


def _as_loop(low: Lowering, tree: Comprehension) -> Code:
    """``[f(x) for x in xs if c]`` as the loop that appends; its targets are names of its own."""
    name = low.temporary("made")
    form, kind = _KINDS[type(tree)]
    empty = ["list"] if form == "generator" else [form]
    low.env[name] = Binding(code=Code(tree=empty, type=_never(kind)), owned=True)
    inner: ast.expr = ast.Dict(keys=[tree.key], values=[tree.value]) if isinstance(tree, ast.DictComp) else tree.elt
    call = ast.Call(
        func=ast.Attribute(value=ast.Name(id=name, ctx=ast.Load()), attr=_COLLECT[type(tree)], ctx=ast.Load()),
        args=[inner],
        keywords=[],
    )
    body: list[ast.stmt] = [ast.Expr(value=call)]
    for generator in reversed(tree.generators):
        for test in reversed(generator.ifs):
            body = [ast.If(test=test, body=body, orelse=[])]
        body = [ast.For(target=generator.target, iter=generator.iter, body=body, orelse=[])]
    for statement in body:
        _place(statement, tree)
    kept = dict(low.env)
    for generator in tree.generators:
        for node in ast.walk(generator.target):
            if isinstance(node, ast.Name):
                low.order.setdefault(node.id, len(low.order))
    walrus = liveness.stored(tree)
    low.statements(body, frozenset({name}) | walrus)
    made = low.env[name]
    low.env = {**kept, **{bound: low.env[bound] for bound in walrus if bound in low.env}}
    low.env.pop(name, None)
    return dataclasses.replace(made.code, fresh=True)


def _never(kind: Any) -> Annotation:
    return DICT[Never, Never] if kind is dict else kind[Never]


def _place(made: ast.AST, at: ast.AST) -> None:
    """Give new syntax the place of what it was made from."""
    for node in ast.walk(made):
        if isinstance(node, ast.expr | ast.stmt) and not hasattr(node, "lineno"):
            ast.copy_location(node, at)


def read_all(low: Lowering, tree: ast.GeneratorExp, *, simple: bool, hashed: bool) -> Code:
    """A generator that is read to its end at once: if it is not pure, a list.

    Args:
        low: The lowering.
        tree: The generator.
        simple: The reader looks at each element before it asks for the next: it must not be able to fail.
        hashed: It hashes each element.
    """
    if _awaits(tree):
        return lower_generator(low, tree)
    pure = low.purely(lambda: _pure(low, tree))
    if pure is not None:
        return pure
    low.needs_place()
    made = _as_loop(low, tree)
    kind = element(made.type)
    if (simple and not _is_simple(kind)) or (hashed and not is_hashable(kind)):
        low.refuse(tree, "a generator that calls steps or ops, and whose reader may fail between them: write a list")
    return made


def _is_simple(kind: Annotation) -> bool:
    kinds = members(widened(kind))
    return all(part in (int, float, bool) for part in kinds) or kinds == (str,)


def search(low: Lowering, tree: ast.GeneratorExp, what: str, default: Code) -> Code:
    """``any``, ``all`` and ``next`` of a generator that is not pure: the loop that stops at the first that decides.

    Args:
        low: The lowering.
        tree: The generator.
        what: ``"any"``, ``"all"`` or ``"next"``.
        default: What it gives where none decides.
    """
    if _awaits(tree):
        return lower_generator(low, tree)
    if len(tree.generators) > 1:
        return low.refuse(tree, f"{what}(…) of a generator with several loops that calls steps or ops")
    (generator,) = tree.generators
    name = low.temporary(what)
    low.bind(name, default, tree)
    test = ast.UnaryOp(op=ast.Not(), operand=tree.elt) if what == "all" else tree.elt
    found = tree.elt if what == "next" else ast.Constant(value=what == "any")
    stop: list[ast.stmt] = [ast.Assign(targets=[ast.Name(id=name, ctx=ast.Store())], value=found), ast.Break()]
    if what != "next":
        stop = [ast.If(test=test, body=stop, orelse=[])]
    for condition in reversed(generator.ifs):
        stop = [ast.If(test=condition, body=stop, orelse=[])]
    loop = ast.For(target=generator.target, iter=generator.iter, body=stop, orelse=[])
    _place(loop, tree)
    ast.copy_location(loop, tree)
    for node in ast.walk(generator.target):
        if isinstance(node, ast.Name):
            low.order.setdefault(node.id, len(low.order))
    kept = dict(low.env)
    low.statements([loop], frozenset({name}))
    made = low.env[name]
    low.env = {bound: binding for bound, binding in kept.items() if bound != name}
    return made.code
