"""Which names are read later, which a block binds, and how control may leave it: read off the syntax tree.

Only what is read later is carried out of branches and around loops, so a graph holds no traces of temporary names.
"""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterable, Iterator, Sequence

from treadle.compiler.runtime.allowed import CHANGES

Names = frozenset[str]
NOTHING: Names = frozenset()

CHANGING = frozenset(name for names in CHANGES.values() for name in names)
"""Methods that change their receiver."""

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_LOOPS = (ast.For, ast.AsyncFor, ast.While)
_NAMED = (ast.ExceptHandler, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_LEAVING = (ast.Return, ast.Break, ast.Continue, ast.Raise)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loops:
    """The names read where the ways out of a loop lead: ``break`` behind it, ``continue`` to its next turn."""

    after: Names
    head: Names


# --- names -----------------------------------------------------------------------------------------------------------


def uses(tree: ast.AST | None) -> Names:
    """The names an expression reads."""
    if tree is None:
        return NOTHING
    if isinstance(tree, ast.Name):
        return frozenset({tree.id}) if isinstance(tree.ctx, ast.Load) else NOTHING
    if isinstance(tree, _COMPREHENSIONS):
        return _uses_of_comprehension(tree)
    if isinstance(tree, ast.Lambda):
        given = (*tree.args.posonlyargs, *tree.args.args, *tree.args.kwonlyargs)
        return (uses(tree.body) - {argument.arg for argument in given}) | union(map(uses, tree.args.defaults))
    return union(map(uses, ast.iter_child_nodes(tree)))


def _uses_of_comprehension(tree: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> Names:
    elements = (tree.key, tree.value) if isinstance(tree, ast.DictComp) else (tree.elt,)
    found = union(map(uses, elements))
    for generator in reversed(tree.generators):
        found |= union(map(uses, generator.ifs))
        found = (found - stored(generator.target)) | uses(generator.iter)
    return found


def union(parts: Iterable[Names]) -> Names:
    """All names of the parts."""
    return NOTHING.union(*parts)


def stored(target: ast.AST) -> Names:
    """The names a target binds, those of walruses in an expression among them."""
    return frozenset(node.id for node in _own(target) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))


def _own(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a tree; of comprehensions and lambdas only what belongs to the scope around them."""
    yield tree
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.comprehension):
            yield from (node for part in (child.iter, *child.ifs) for node in _own(part))
        elif not isinstance(child, ast.Lambda):
            yield from _own(child)


def root(tree: ast.expr) -> ast.Name | None:
    """The name at the root of ``name[…].attribute``."""
    while isinstance(tree, ast.Subscript | ast.Attribute):
        tree = tree.value
    return tree if isinstance(tree, ast.Name) else None


def changed(statement: ast.stmt) -> ast.Name | None:
    """The name of the collection a statement changes: ``xs.append(…)``, ``d[k] = …``."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        function = statement.value.func
        if isinstance(function, ast.Attribute) and function.attr in CHANGING:
            return root(function.value)
    if isinstance(statement, ast.Assign):
        target = next((part for part in statement.targets if isinstance(part, ast.Subscript)), None)
        return None if target is None else root(target)
    if isinstance(statement, ast.AugAssign):
        return root(statement.target)
    return None


def assigned(body: Sequence[ast.AST]) -> Names:
    """The names that statements bind or whose collections they change."""
    found: set[str] = set()
    for statement in body:
        for node in _own(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
            elif isinstance(node, ast.MatchAs | ast.MatchStar) and node.name is not None:
                found.add(node.name)
            elif isinstance(node, ast.stmt) and (name := changed(node)) is not None:
                found.add(name.id)
    return frozenset(found)


def bound_by(statement: ast.stmt) -> Names:
    """All names a statement of any kind may bind: also those of handlers, imports and definitions."""
    found = set(assigned([statement]))
    for node in _own(statement):
        if isinstance(node, _NAMED) and node.name:
            found.add(node.name)
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).partition(".")[0])
    return frozenset(found)


def mutated(body: Sequence[ast.AST]) -> Names:
    """The names whose collections the statements change."""
    nodes = (node for statement in body for node in _own(statement) if isinstance(node, ast.stmt))
    return frozenset(name.id for node in nodes if (name := changed(node)) is not None)


# --- control ---------------------------------------------------------------------------------------------------------


def may_leave(body: Sequence[ast.stmt]) -> bool:
    """Whether control may leave the statements other than at their end."""
    return any(_may_leave(statement, in_loop=False) for statement in body)


def _may_leave(statement: ast.stmt, *, in_loop: bool) -> bool:
    if isinstance(statement, ast.Return | ast.Raise):
        return True
    if isinstance(statement, ast.Break | ast.Continue):
        return not in_loop
    in_body = in_loop or isinstance(statement, _LOOPS)
    for block in blocks(statement):
        own = in_body if block is getattr(statement, "body", None) else in_loop
        if any(_may_leave(inner, in_loop=own) for inner in block):
            return True
    return False


def blocks(statement: ast.stmt) -> Iterator[list[ast.stmt]]:
    """The blocks of a compound statement; those of functions and classes inside are not its own."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return
    for part in ("body", "orelse", "finalbody"):
        block = getattr(statement, part, None)
        if isinstance(block, list):
            yield block
    for part in ("handlers", "cases"):
        yield from (inner.body for inner in getattr(statement, part, ()))


def always_leaves(body: Sequence[ast.stmt]) -> bool:
    """Whether control never reaches the end of the statements."""
    return any(_always_leaves(statement) for statement in body)


def _always_leaves(statement: ast.stmt) -> bool:
    if isinstance(statement, _LEAVING):
        return True
    if isinstance(statement, ast.If):
        return always_leaves(statement.body) and always_leaves(statement.orelse)
    if isinstance(statement, ast.Match):
        last = statement.cases[-1]
        catches_all = isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None and last.guard is None
        return catches_all and all(always_leaves(case.body) for case in statement.cases)
    return False


def with_rest(statement: ast.If, rest: Sequence[ast.stmt]) -> ast.If | None:
    """The branch with what follows it moved into the arm that goes on; ``None`` where both arms may go on."""
    if always_leaves(statement.body):
        body, orelse = statement.body, [*statement.orelse, *rest]
    elif always_leaves(statement.orelse):
        body, orelse = [*statement.body, *rest], statement.orelse
    else:
        return None
    return ast.copy_location(ast.If(test=statement.test, body=body, orelse=orelse), statement)


# --- what is read later ----------------------------------------------------------------------------------------------


def before(body: Sequence[ast.stmt], after: Names, loops: tuple[Loops, ...]) -> Names:
    """The names read from here on.

    Args:
        body: Statements from here on.
        after: The names read behind them.
        loops: The loops around, outermost first.
    """
    live = after
    for statement in reversed(body):
        live = _before(statement, live, loops)
    return live


def _before(statement: ast.stmt, after: Names, loops: tuple[Loops, ...]) -> Names:
    match statement:
        case ast.Return() | ast.Raise():
            return union(map(uses, ast.iter_child_nodes(statement)))
        case ast.Break() | ast.Continue():
            if not loops:
                return after
            return loops[-1].after if isinstance(statement, ast.Break) else loops[-1].head
        case ast.Assign():
            return _before_assign(statement, after)
        case ast.AnnAssign():
            kept = after - stored(statement.target) if statement.value is not None else after
            return kept | uses(statement.value)
        case ast.AugAssign():
            return after | uses(statement.value) | _read(statement.target)
        case ast.If():
            arms = before(statement.body, after, loops) | before(statement.orelse, after, loops)
            return arms | uses(statement.test)
        case ast.For() | ast.AsyncFor():
            return uses(statement.iter) | head(statement, after, loops)
        case ast.Match():
            cases = union(
                before(case.body, after, loops) | uses(case.guard) | uses(case.pattern) for case in statement.cases
            )
            return cases | after | uses(statement.subject)
    return after | union(uses(node) for node in _own(statement) if isinstance(node, ast.expr))


def _before_assign(statement: ast.Assign, after: Names) -> Names:
    plain = union(stored(target) for target in statement.targets)
    return (
        (after - plain)
        | uses(statement.value)
        | union(_read(target) for target in statement.targets if not isinstance(target, ast.Name))
    )


def _read(target: ast.expr) -> Names:
    """The names a target reads: all of ``d[k]``, and ``x`` itself in ``x += …``."""
    if isinstance(target, ast.Name):
        return NOTHING if isinstance(target.ctx, ast.Load) else frozenset({target.id})
    if isinstance(target, ast.Tuple | ast.List | ast.Starred):
        return union(uses(node) for node in ast.walk(target) if isinstance(node, ast.Subscript | ast.Attribute))
    found = root(target)
    return uses(target) | (NOTHING if found is None else frozenset({found.id}))


def head(statement: ast.For | ast.AsyncFor, after: Names, loops: tuple[Loops, ...]) -> Names:
    """The names read when a loop is about to take its next turn, or to end."""
    at_end = before(statement.orelse, after, loops)
    targets, live = stored(statement.target), at_end
    while True:
        inside = before(statement.body, live, (*loops, Loops(after=after, head=live)))
        found = at_end | (inside - targets) | live
        if found == live:
            return live
        live = found
