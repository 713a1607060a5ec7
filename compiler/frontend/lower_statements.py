"""Rules for statements: assignment, branches, ``return``, ``break``, ``continue``, ``assert``, ``raise``."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Mapping, Sequence

from treadle.compiler.frontend.branches import branch
from treadle.compiler.frontend.code import Code, const
from treadle.compiler.frontend.invoke import lower_raise
from treadle.compiler.frontend.lower_calls import gathered_in_parts
from treadle.compiler.frontend.lower_loops import lower_for
from treadle.compiler.frontend.lowering import Lowering, Statement
from treadle.compiler.frontend.mutation import augment, change, is_change
from treadle.compiler.frontend.narrowing import narrow
from treadle.compiler.frontend.state import RETURNED, Binding
from treadle.compiler.frontend.targets import assign, assign_in_parts
from treadle.compiler.graph import nodes
from treadle.compiler.graph.op import LIBRARY_PREFIX

Names = frozenset[str]


def _assign(low: Lowering, tree: ast.Assign, live: Names) -> None:
    if len(tree.targets) == 1 and assign_in_parts(low, tree.targets[0], gathered_in_parts(low, tree.value)):
        return
    if len(tree.targets) == 1 and isinstance(tree.targets[0], ast.Subscript):
        assign(low, tree.targets[0], low.expr(tree.value), tree)
        return
    code = low.kept(low.expr(tree.value), tree)
    for target in tree.targets:
        assign(low, target, code, tree)
    if len(tree.targets) > 1:
        low.share(frozenset(target.id for target in tree.targets if isinstance(target, ast.Name)))


def _annotated(low: Lowering, tree: ast.AnnAssign, live: Names) -> None:
    if tree.value is not None:
        assign(low, tree.target, low.expr(tree.value), tree)


def _augmented(low: Lowering, tree: ast.AugAssign, live: Names) -> None:
    augment(low, tree)


def _expression(low: Lowering, tree: ast.Expr, live: Names) -> None:
    if isinstance(tree.value, ast.Constant):
        return  # a docstring, an ellipsis
    if is_change(low, tree.value):
        change(low, tree.value)
        return
    code = low.expr(tree.value)
    if code.lazy:
        return  # made and dropped: nothing of it is evaluated
    low.pinned(code)


def _pass(low: Lowering, tree: ast.Pass, live: Names) -> None:
    return


def _return(low: Lowering, tree: ast.Return, live: Names) -> None:
    code = const(None) if tree.value is None else low.expr(tree.value)
    if code.lazy:
        code = low.refuse(tree, "returns an iterator, which can be read only once: wrap it in list(…)")
    low.env[RETURNED] = Binding(code=_alone(low.kept(code, tree)))
    low.exits = frozenset({"return"})


def _alone(code: Code) -> Code:
    return dataclasses.replace(code, names=frozenset(), direct=False, fresh=False)


def _break(low: Lowering, tree: ast.Break, live: Names) -> None:
    low.exits = frozenset({"break"})


def _continue(low: Lowering, tree: ast.Continue, live: Names) -> None:
    low.exits = frozenset({"continue"})


def _if(low: Lowering, tree: ast.If, live: Names) -> None:
    condition = low.ref(low.expr(tree.test), tree)
    when_true, when_false = narrow(low, tree.test)

    def arm(known: Mapping[str, Binding], body: Sequence[ast.stmt]) -> None:
        low.env.update(known)
        low.statements(body, live)

    branch(low, condition, lambda: arm(when_true, tree.body), lambda: arm(when_false, tree.orelse), live, tree)


def _assert(low: Lowering, tree: ast.Assert, live: Names) -> None:
    condition = low.ref(low.expr(tree.test), tree)
    if tree.msg is None or isinstance(tree.msg, ast.Constant):
        _asserted(low, tree, condition)
    else:
        branch(low, condition, lambda: None, lambda: _asserted(low, tree, condition), live, tree)
    low.env.update(narrow(low, tree.test)[0])


def _asserted(low: Lowering, tree: ast.Assert, condition: nodes.Ref) -> None:
    inputs = [("condition", condition)]
    if tree.msg is not None:
        inputs.append(("message", low.ref(low.expr(tree.msg), tree)))
    low.add(nodes.Op, [type(None)], tree, op=f"{LIBRARY_PREFIX}assert", inputs=tuple(inputs))


def _raise(low: Lowering, tree: ast.Raise, live: Names) -> None:
    lower_raise(low, tree)
    low.exits = frozenset()


STATEMENTS: Mapping[type[ast.stmt], Statement] = {
    ast.AnnAssign: _annotated,
    ast.Assert: _assert,
    ast.Assign: _assign,
    ast.AugAssign: _augmented,
    ast.Break: _break,
    ast.Continue: _continue,
    ast.Expr: _expression,
    ast.For: lower_for,
    ast.If: _if,
    ast.Pass: _pass,
    ast.Raise: _raise,
    ast.Return: _return,
}
"""Rules by class of statement; ``match`` is rewritten before it gets here."""
