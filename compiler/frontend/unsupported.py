"""What is not in the captured part of Python: the reason, in words, and going on to find the others."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from treadle.compiler.frontend import liveness
from treadle.compiler.frontend.liveness import Loops

if TYPE_CHECKING:
    from treadle.compiler.frontend.lowering import Lowering

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def unsupported(low: Lowering, statement: ast.stmt) -> None:
    """Note the reason, find those inside, and go on without knowing what the statement binds."""
    low.refuse(statement, f"{word(statement)} is not in the captured part of Python")
    for part in statement.body if isinstance(statement, _SCOPES) else []:
        for node in ast.walk(part):
            if isinstance(node, ast.Yield | ast.YieldFrom):
                low.refuse(node, f"{word(node)} is not in the captured part of Python")
    bound = liveness.bound_by(statement)

    def block(body: Sequence[ast.stmt]) -> None:
        low.forget(bound)
        low.statements(body, bound)

    low.loops.append(Loops(after=bound, head=bound))
    for body in liveness.blocks(statement):
        low.arm(lambda body=body: block(body))  # type: ignore[misc]
    low.loops.pop()
    low.forget(bound)


def word(tree: ast.AST) -> str:
    """What a person calls this kind of syntax."""
    return _WORDS.get(type(tree), f"`{type(tree).__name__.lower()}`")


_WORDS: Mapping[type[ast.AST], str] = {
    ast.AsyncFor: "`async for`",
    ast.AsyncWith: "`async with`",
    ast.ClassDef: "a class inside the function",
    ast.Delete: "`del`",
    ast.FunctionDef: "a function inside the function",
    ast.AsyncFunctionDef: "a function inside the function",
    ast.Global: "`global`, which shares state,",
    ast.Import: "an import inside the function",
    ast.ImportFrom: "an import inside the function",
    ast.Lambda: "a lambda that is not an argument of a pure function",
    ast.Nonlocal: "`nonlocal`, which shares state,",
    ast.Raise: "`raise`, which hides control,",
    ast.Starred: "a starred argument",
    ast.Try: "`try`, which hides control,",
    ast.While: "`while`, which has no bound,",
    ast.With: "`with`",
    ast.Yield: "`yield`, which hides control,",
    ast.YieldFrom: "`yield from`, which hides control,",
}
