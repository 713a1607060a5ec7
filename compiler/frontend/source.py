"""The source of a function as a syntax tree whose lines and columns are those of its file."""

from __future__ import annotations

import ast
import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from treadle.compiler.canonical import digest


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """A function's source.

    Attributes:
        tree: Its definition.
        file: The file it stands in.
    """

    tree: ast.FunctionDef | ast.AsyncFunctionDef
    file: str


class NoSource(Exception):
    """The source of a function cannot be found or read; says why."""


def source_of(function: Callable[..., Any]) -> Source:
    """The source of ``function``.

    Raises:
        NoSource: It was made by ``exec`` or a lambda, or typed where Python keeps no source.
    """
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError, IndexError) as error:
        raise NoSource("its source cannot be found; put the function in a file or a notebook cell") from error
    text = "".join(lines)
    indented = text[:1].isspace()
    try:
        tree = ast.parse(f"if 1:\n{text}" if indented else text)  # not dedented: columns stay, texts keep their lines
    except (SyntaxError, ValueError) as error:
        raise NoSource("its source cannot be parsed; has the file changed since it was imported?") from error
    ast.increment_lineno(tree, first - 1 - indented)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == function.__name__:
            return Source(tree=node, file=inspect.getsourcefile(function) or "")
    raise NoSource("its definition cannot be found in its source; write it with def")


def source_hash(function: Callable[..., Any]) -> str:
    """Hash of a function's syntax tree: comments, layout and docstring do not count.

    Raises:
        NoSource: There is no source.
    """
    tree = source_of(function).tree
    body = tree.body[1:] if ast.get_docstring(tree) is not None else tree.body
    return digest([ast.dump(tree.args), [ast.dump(statement) for statement in body], type(tree).__name__])


@dataclasses.dataclass(frozen=True)
class Outside:
    """What a function sees of the world around it: its closure, its module, the builtins, its instance."""

    closure: Mapping[str, object]
    module: Mapping[str, object]
    instance: object = None

    @classmethod
    def of(cls, function: Callable[..., Any], instance: object) -> Outside:
        """The world around ``function``."""
        code = function.__code__
        cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
        closure = {name: cell.cell_contents for name, cell in cells if _filled(cell)}
        return cls(closure, function.__globals__, instance)

    def find(self, name: str) -> object:
        """What ``name`` is.

        Raises:
            LookupError: Nothing.
        """
        import builtins

        for names in (self.closure, self.module, vars(builtins)):
            if name in names:
                return names[name]
        raise LookupError(name)


def _filled(cell: Any) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True
