"""Loops that only collect: every turn appends to lists, adds to sets or fills dicts that no turn reads."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Never

from treadle.compiler.annotations import Annotation
from treadle.compiler.frontend import liveness
from treadle.compiler.frontend.code import Code, of_ref
from treadle.compiler.frontend.inference import DICT, LIST, classes, element, item, union
from treadle.compiler.frontend.state import Binding
from treadle.compiler.graph import nodes
from treadle.compiler.graph.nodes import Ref

if TYPE_CHECKING:
    from treadle.compiler.frontend.lowering import Lowering

_METHODS = {list: {"append", "extend"}, set: {"add", "update"}, dict: {"update"}}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Collector:
    """A collection that a loop only adds to.

    Attributes:
        name: Its name.
        kind: ``list``, ``set`` or ``dict``.
        single: The statement that appends the turn's one element, where each turn appends just one.
        result: The name of what a turn gives: the element, or what the turn has collected.
    """

    name: str
    kind: Any
    single: ast.stmt | None
    result: str

    def empty(self) -> Binding:
        """What the name stands for at the start of a turn."""
        parts = (Never, Never) if self.kind is dict else Never
        return Binding(code=Code(tree=[self.kind.__name__], type=self.kind[parts]), owned=True)

    def rewritten(self, body: Sequence[ast.stmt]) -> list[ast.stmt]:
        """The body with the one ``append`` as an assignment of the element."""
        return [self._element() if statement is self.single else statement for statement in body]

    def _element(self) -> ast.stmt:
        assert isinstance(self.single, ast.Expr)
        call: Any = self.single.value
        target = ast.copy_location(ast.Name(id=self.result, ctx=ast.Store()), self.single)
        return ast.copy_location(ast.Assign(targets=[target], value=call.args[0]), self.single)

    def collect(self, low: Lowering, parts: Ref, kind: Annotation, where: ast.AST) -> None:
        """Put together what was there before the loop and what the turns gave."""
        before = low.env[self.name]
        if self.single is not None:
            made = _appended(low, before.code, parts, kind)
        else:
            tree = ["call", "treadle.merged", [before.code.tree, ["ref", parts]], {}]
            made = Code(tree=tree, type=_joined(self.kind, before.code.type, kind), fresh=True)
        code = low.kept(made, where)
        low.env[self.name] = Binding(code=dataclasses.replace(code, fresh=False), owned=True)


def _appended(low: Lowering, before: Code, parts: Ref, kind: Annotation) -> Code:
    if _is_empty(low, before):
        return of_ref(parts, LIST[kind])
    whole = LIST[union([element(before.type), kind])]
    return Code(tree=["binary", "+", before.tree, ["ref", parts]], type=whole)


def _is_empty(low: Lowering, code: Code) -> bool:
    if not code.is_ref:
        return bool(code.tree == ["list"])
    node = low.written.get(code.tree[1])
    return isinstance(node, nodes.Expr) and node.expression == ["list"]


def _joined(kind: Any, before: Annotation, part: Annotation) -> Annotation:
    if kind is not dict:
        return kind[union([element(before), element(part)])]
    return DICT[union([element(before), element(part)]), union([item(before), item(part)])]


def collectors(low: Lowering, tree: ast.For, live: frozenset[str]) -> list[Collector] | None:
    """What a loop collects, in the order in which the source binds the names; ``None`` where it does more than that."""
    leaving = any(isinstance(node, ast.Break | ast.Return) for node in _own(tree.body))
    if tree.orelse or leaving or liveness.stored(tree.target) & live:
        return None
    read = liveness.head(tree, live, low.around) | live
    names = liveness.assigned(tree.body) & read & low.order.keys()
    found = [_collector(low, tree, name) for name in sorted(names, key=lambda name: low.order.get(name, -1))]
    return None if any(collector is None for collector in found) else [c for c in found if c is not None]


def _own(body: Sequence[ast.stmt]) -> list[ast.AST]:
    """The statements of a body that may leave this loop: breaks of loops inside it are their own."""
    found: list[ast.AST] = []
    left: list[tuple[ast.AST, bool]] = [(statement, False) for statement in body]
    while left:
        node, inner = left.pop()
        if not (inner and isinstance(node, ast.Break)):
            found.append(node)
        deeper = inner or isinstance(node, ast.For | ast.While)
        left.extend((child, deeper) for child in ast.iter_child_nodes(node) if not isinstance(child, ast.expr))
    return found


def _collector(low: Lowering, tree: ast.For, name: str) -> Collector | None:
    binding = low.env.get(name)
    if binding is None or not binding.owned or binding.missing:
        return None
    kinds = classes(binding.code.type)
    kind = kinds[0] if len(kinds) == 1 else None
    if kind not in _METHODS:
        return None
    statements = [node for statement in tree.body for node in ast.walk(statement) if _collects(node, name, kind)]
    if _mentions(tree.body, name) != len(statements) or _mentions([tree.target], name):
        return None
    single = _single(tree, statements, kind)
    return Collector(name=name, kind=kind, single=single, result=low.temporary("item") if single is not None else name)


def _mentions(trees: Sequence[ast.AST], name: str) -> int:
    nodes = (node for tree in trees for node in ast.walk(tree))
    return sum(isinstance(node, ast.Name) and node.id == name for node in nodes)


def _collects(node: ast.AST, name: str, kind: Any) -> bool:
    """Whether a statement only adds to the collection."""
    match node:
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=found), attr=method), args=[_], keywords=[])):
            return found == name and method in _METHODS[kind]
        case ast.AugAssign(target=ast.Name(id=found), op=ast.Add()):
            return found == name and kind is list
        case ast.AugAssign(target=ast.Name(id=found), op=ast.BitOr()):
            return found == name and kind is not list
        case ast.Assign(targets=[ast.Subscript(value=ast.Name(id=found))]):
            return found == name and kind is dict
    return False


def _single(tree: ast.For, statements: Sequence[ast.AST], kind: Any) -> ast.stmt | None:
    """The one ``append`` that every turn reaches, if that is all there is."""
    if kind is not list or len(statements) != 1 or liveness.may_leave(tree.body):
        return None
    (statement,) = statements
    if statement not in tree.body or not isinstance(statement, ast.Expr):
        return None
    call: Any = statement.value
    return statement if call.func.attr == "append" and not isinstance(call.args[0], ast.Starred) else None
