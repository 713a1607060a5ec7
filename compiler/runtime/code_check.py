"""Checking generated code before it is run: it must be the same function, and reach for nothing but the listed modules.

The check is of the text. It turns away what would fail or do harm by mistake, and says why; it is no proof of anything.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TypeAlias

from treadle.compiler.errors import CodeRefused

IMPORTS = (
    "base64", "bisect", "calendar", "collections", "copy", "dataclasses", "datetime", "decimal", "difflib", "enum",
    "fractions", "functools", "hashlib", "heapq", "html", "itertools", "json", "math", "numbers", "operator", "re",
    "statistics", "string", "textwrap", "typing", "unicodedata",
)  # fmt: skip
"""What generated code may import: the part of the standard library that only computes."""

LONGEST = 20_000
"""Characters of code at most."""

_NAMES = (
    "__builtins__", "__import__", "breakpoint", "compile", "delattr", "eval", "exec", "exit", "globals", "help",
    "input", "locals", "open", "print", "quit", "setattr", "vars",
)  # fmt: skip
_STATEMENTS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)

Function: TypeAlias = ast.FunctionDef


def check_code(code: str, original: str, name: str) -> None:
    """Refuse code that cannot take the place of ``original``.

    It defines the function ``name`` with the same arguments and defaults; beside it stand imports of ``IMPORTS``,
    functions, classes and constants. It uses no name that reaches for files, input, output or other code.

    Args:
        code: The new text.
        original: The text it is to replace; what that imports is allowed, too.
        name: The function's name.

    Raises:
        CodeRefused: Says the rule, what was given, and the line.
    """
    tree = _parsed(code)
    allowed = {*IMPORTS, *imports_of(original)}
    for statement in tree.body:
        if not (isinstance(statement, _STATEMENTS) or _is_text(statement)):
            _refuse(statement, "stands outside the function: only imports, functions, classes and constants may")
    for node in ast.walk(tree):
        _check_node(node, allowed)
    found = _function(tree, name)
    if found is None:
        raise CodeRefused(f"the code does not define the function {name!r}; keep its name")
    _check_signature(found, _function(_parsed(original), name))


def _parsed(code: str) -> ast.Module:
    if len(code) > LONGEST:
        raise CodeRefused(f"the code has {len(code)} characters; {LONGEST} are the most")
    try:
        return ast.parse(code)
    except SyntaxError as error:
        raise CodeRefused(f"line {error.lineno}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise CodeRefused(f"the code cannot be parsed: {error}") from None


def _refuse(node: ast.AST, what: str) -> None:
    line = getattr(node, "lineno", 0)
    raise CodeRefused(f"line {line}: {ast.unparse(node).splitlines()[0][:80]!r} {what}")


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _check_node(node: ast.AST, allowed: set[str]) -> None:
    for module in _modules(node):
        if module.partition(".")[0] not in allowed:
            _refuse(node, f"imports {module!r}; code may import {', '.join(sorted(allowed))}")
    if isinstance(node, ast.ImportFrom) and node.level:
        _refuse(node, "is a relative import; the code stands alone")
    if isinstance(node, ast.Name) and node.id in _NAMES:
        _refuse(node, "may not be used: code takes arguments and returns a value, nothing else")
    if isinstance(node, ast.Attribute) and node.attr.startswith("__"):
        _refuse(node, "reaches into Python itself")


def _modules(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield node.module


def imports_of(code: str) -> tuple[str, ...]:
    """The modules a text imports anywhere, sorted; none where it cannot be parsed."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    return tuple(sorted({module for node in ast.walk(tree) for module in _modules(node)}))


def _function(tree: ast.Module, name: str) -> Function | None:
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    return found[-1] if found else None


def _check_signature(found: Function, original: Function | None) -> None:
    if found.decorator_list:
        _refuse(found.decorator_list[0], "decorates the function; leave it plain")
    if original is not None and _shape(found) != _shape(original):
        msg = (
            f"line {found.lineno}: the function takes ({ast.unparse(found.args)}); "
            f"it must take ({ast.unparse(original.args)})"
        )
        raise CodeRefused(msg)


def _shape(function: Function) -> tuple[str, ...]:
    """Names, kinds and defaults of the arguments; hints may be left out."""
    arguments = ast.parse(ast.unparse(function)).body[0].args  # type: ignore[attr-defined]  # a copy to strip
    for argument in ast.walk(arguments):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    return (ast.dump(arguments),)
