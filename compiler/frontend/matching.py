"""``match`` on values, written as the branches it is."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from treadle.compiler.frontend.state import Binding

if TYPE_CHECKING:
    from treadle.compiler.frontend.lowering import Lowering


def as_branches(low: Lowering, statement: ast.Match) -> list[ast.stmt]:
    """Evaluate the subject, bind it to a name no user can write, and give the cases as ``if`` … ``elif`` … ``else``."""
    subject = f"$match{statement.lineno}:{statement.col_offset}"
    low.order.setdefault(subject, len(low.order))
    low.bind(subject, low.expr(statement.subject), statement)
    low.env[subject] = Binding(code=low.env[subject].code)
    chain: list[ast.stmt] = []
    for case in reversed(statement.cases):
        chain = _case(low, case, subject, chain)
    return chain


def _case(low: Lowering, case: ast.match_case, subject: str, others: list[ast.stmt]) -> list[ast.stmt]:
    at = case.pattern
    name = _captured(case.pattern)
    bound = [_assigned(at, name, subject)] if name else []
    test = _test(low, case.pattern, subject)
    if name and case.guard is not None:
        low.refuse(at, "a case that binds a name and has a guard is not in the captured part of Python")
    if test is None and case.guard is None:
        return [*bound, *case.body]
    tests = [part for part in (test, case.guard) if part is not None]
    condition = tests[0] if len(tests) == 1 else ast.copy_location(ast.BoolOp(op=ast.And(), values=tests), at)
    return [ast.copy_location(ast.If(test=condition, body=[*bound, *case.body], orelse=others), at)]


def _assigned(at: ast.pattern, name: str, subject: str) -> ast.stmt:
    made = ast.Assign(targets=[_name(at, name, ast.Store())], value=_name(at, subject, ast.Load()))
    return ast.copy_location(made, at)


def _captured(pattern: ast.pattern) -> str | None:
    return pattern.name if isinstance(pattern, ast.MatchAs) else None


def _test(low: Lowering, pattern: ast.pattern, subject: str) -> ast.expr | None:
    """The condition under which the pattern matches; ``None`` for always."""
    match pattern:
        case ast.MatchValue(value=value):
            return _compare(pattern, subject, ast.Eq(), value)
        case ast.MatchSingleton(value=value):
            return _compare(pattern, subject, ast.Is(), ast.copy_location(ast.Constant(value=value), pattern))
        case ast.MatchOr(patterns=patterns):
            tests = [_test(low, part, subject) for part in patterns]
            some = [test for test in tests if test is not None]
            either = ast.copy_location(ast.BoolOp(op=ast.Or(), values=some), pattern)
            return either if len(some) == len(tests) else None
        case ast.MatchAs(pattern=inner):
            return None if inner is None else _test(low, inner, subject)
    low.refuse(pattern, "`match` on the shape of a value, not on values")
    for node in ast.walk(pattern):
        if isinstance(node, ast.MatchAs | ast.MatchStar) and node.name:
            low.forget(frozenset({node.name}))
    return ast.copy_location(ast.Constant(value=False), pattern)


def _compare(pattern: ast.pattern, subject: str, op: ast.cmpop, value: ast.expr) -> ast.expr:
    made = ast.Compare(left=_name(pattern, subject, ast.Load()), ops=[op], comparators=[value])
    return ast.copy_location(made, pattern)


def _name(at: ast.AST, name: str, context: ast.expr_context) -> ast.Name:
    return ast.copy_location(ast.Name(id=name, ctx=context), at)
