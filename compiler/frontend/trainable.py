"""What a program declares as searchable beside its prompts: numbers, choices, texts, and the code of ops."""

from __future__ import annotations

import ast
import dis
import inspect
import json
import math
import textwrap
import types
import typing
from collections.abc import Callable, Iterator, Sequence
from types import CodeType, FunctionType, ModuleType
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin

from treadle.compiler.annotations import Annotation, type_name
from treadle.compiler.errors import CodeRefused, DeclarationError
from treadle.compiler.frontend.op_function import OpFunction
from treadle.compiler.frontend.source import Outside
from treadle.compiler.graph import parameters
from treadle.compiler.graph.op import Op
from treadle.compiler.graph.rewrite import EDITS
from treadle.compiler.runtime.code_check import IMPORTS, LONGEST, check_code

T = TypeVar("T", bound=bool | int | float | str)


class Parameter(OpFunction[[], T], Generic[T]):
    """A number, a choice or a text of a program that search may change. Call it where its value is needed.

    A program reads it by calling it, ``threshold()``, in a graph as in host mode, and its trace shows it like an op.
    Outside a run it gives the value it was declared with.

    Args:
        name: Its name, unique among the ops and parameters of a program.
        value: Its value where search has chosen none: a number, a text or a truth value.
        low: Smallest number allowed; needed for a number.
        high: Largest number allowed; needed for a number.
        choices: The values allowed; ``value`` is one of them.
        max_length: Most characters of a text.
        description: What it is for, in words an optimizer's LM may read.

    Raises:
        DeclarationError: The name is no identifier, a number has no range, or the value is not allowed.

    >>> threshold = Parameter("threshold", 0.5, low=0.0, high=1.0)
    >>> threshold()
    0.5
    """

    def __init__(
        self,
        name: str,
        value: T,
        *,
        low: float | None = None,
        high: float | None = None,
        choices: Sequence[T] = (),
        max_length: int = 2_000,
        description: str = "",
    ) -> None:
        if not name.isidentifier() or f".{name}" == EDITS:
            msg = f"a parameter cannot be called {name!r}; give an identifier such as 'threshold'"
            raise DeclarationError(msg)
        allowed: Sequence[bool | int | float | str] = choices or ((False, True) if isinstance(value, bool) else ())
        declared = parameters.Parameter(
            address=f".{name}",
            kind=_kind(name, value, low, high, allowed),
            default=value,
            choices=tuple(allowed),
            low=low,
            high=high,
            integer=isinstance(value, int) and not isinstance(value, bool),
            max_length=max_length,
            description=description,
        )
        _check_default(declared)
        super().__init__(lambda: value, name=name, parameter=declared, returns=_type(value, allowed))
        self.__name__ = name
        self.__doc__ = description or None

    def __repr__(self) -> str:
        return f"<parameter {self.op.name}>"


def _kind(
    name: str, value: object, low: float | None, high: float | None, choices: Sequence[object]
) -> parameters.Kind:
    if choices:
        return "choice"
    if isinstance(value, str):
        return "text"
    finite = low is not None and high is not None and -math.inf < low < high < math.inf
    if not isinstance(value, int | float) or not finite:
        msg = f"parameter {name!r} needs low= and high=, the smallest and the largest number it may be, or choices="
        raise DeclarationError(msg)
    return "number"


def _check_default(declared: parameters.Parameter) -> None:
    try:
        declared.check(declared.default)
    except TypeError as error:
        raise DeclarationError(str(error)) from None


def _type(value: object, choices: Sequence[object]) -> Annotation:
    return Literal[tuple(choices)] if choices and not any(isinstance(c, float) for c in choices) else type(value)


def parameter_of(op: Op) -> parameters.Parameter | None:
    """What search may change in an op: its value, or the code of its body; ``None`` where there is nothing.

    Raises:
        DeclarationError: A trainable op's code cannot stand alone; names what it uses.
    """
    if op.parameter is not None or not op.trainable:
        return op.parameter
    return parameters.Parameter(
        address=op.address,
        kind="code",
        default=code_of(op),
        max_length=LONGEST,
        description=inspect.getdoc(op.function) or "",
    )


# --- code ------------------------------------------------------------------------------------------------------------


def check_trainable(function: Callable[..., Any], name: str, *, effects: bool) -> None:
    """Refuse to make a parameter of a body that cannot be replaced by generated code.

    Raises:
        DeclarationError: It is async, a method or a lambda, has effects, or takes or gives what JSON cannot hold.
    """
    plain = inspect.isfunction(function) and not inspect.iscoroutinefunction(function) and _is_def(function)
    if effects or not plain:
        what = "has effects" if effects else "is not a plain synchronous function written with def"
        msg = f"op {name!r} {what}, and a trainable op's body is replaced by code that runs in a process of its own"
        raise DeclarationError(msg)
    for argument, annotation in typing.get_type_hints(function).items():
        if not _is_json(annotation):
            where = "returns" if argument == "return" else f"takes {argument}:"
            msg = (
                f"op {name!r} {where} {type_name(annotation)}; a trainable op takes and gives JSON: str, int, float, "
                "bool, None, Literal, list and dict"
            )
            raise DeclarationError(msg)


def _is_def(function: FunctionType) -> bool:
    """Whether it is written with ``def``, and not in a class."""
    around = function.__qualname__.rpartition(".")[0]
    return function.__name__ != "<lambda>" and (not around or around.endswith("<locals>"))


def _is_json(annotation: Annotation) -> bool:
    origin: object = get_origin(annotation)
    if annotation in (Any, None, str, int, float, bool, type(None), list, dict) or origin is Literal:
        return True
    if origin in (list, dict, typing.Union, types.UnionType, typing.Annotated):
        parts = get_args(annotation)
        return all(map(_is_json, parts[:1] if origin is typing.Annotated else parts))
    return False


def code_of(op: Op) -> str:
    """The text of a trainable op that stands alone: imports and constants it uses, then the function.

    Raises:
        DeclarationError: It uses something that can be neither imported nor written down.
    """
    function = op.function
    try:
        source = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        msg = f"the source of the trainable op {op.name!r} cannot be found; put it in a file or a notebook cell"
        raise DeclarationError(msg) from None
    tree = ast.parse(source).body[0]
    assert isinstance(tree, ast.FunctionDef)
    body = "\n".join(source.splitlines()[tree.lineno - 1 : tree.end_lineno])
    if tree.name != op.name:
        msg = f"trainable op {op.name!r}: its function is called {tree.name!r}; leave name= out"
        raise DeclarationError(msg)
    head = [
        line for name in _global_names(function.__code__) for line in _line_for(op, name, Outside.of(function, None))
    ]
    head.sort(key=lambda line: not line.startswith(("import ", "from ")))
    code = "\n\n\n".join(["\n".join(head), body]) if head else body
    try:
        check_code(code, code, op.name)
    except CodeRefused as error:
        msg = f"trainable op {op.name!r}: {error}"
        raise DeclarationError(msg) from None
    return code + "\n"


def _global_names(code: CodeType) -> Iterator[str]:
    """Names the function looks up outside itself, sorted."""
    found = set(code.co_freevars)
    left = [code]
    while left:
        current = left.pop()
        found |= {i.argval for i in dis.get_instructions(current) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
        left += [constant for constant in current.co_consts if isinstance(constant, CodeType)]
    return iter(sorted(found))


def _line_for(op: Op, name: str, outside: Outside) -> Iterator[str]:
    """How the text gets ``name``: nothing for a builtin and for itself."""
    import builtins

    if name == op.name or (hasattr(builtins, name) and name not in outside.module):
        return
    try:
        found = outside.find(name)
    except LookupError:
        found = None
    line = _import(name, found) or _constant(name, found)
    if not line:
        msg = (
            f"trainable op {op.name!r} uses {name!r}, which generated code cannot have: it stands alone, with "
            f"constants and what it imports of {', '.join(IMPORTS)}. Pass it as an argument, or define it inside"
        )
        raise DeclarationError(msg)
    yield line


def _import(name: str, found: object) -> str:
    if isinstance(found, ModuleType):
        whole = found.__name__
        if whole.partition(".")[0] not in IMPORTS:
            return ""
        return f"import {whole}" if whole == name else f"import {whole} as {name}"
    module, own = getattr(found, "__module__", None), getattr(found, "__qualname__", None)
    if not callable(found) or not isinstance(module, str) or module.partition(".")[0] not in IMPORTS or own is None:
        return ""
    return f"from {module} import {own}" if own == name else f"from {module} import {own} as {name}"


def _constant(name: str, found: object) -> str:
    try:
        if found is None or json.loads(json.dumps(found)) != found:
            return ""
    except (TypeError, ValueError, RecursionError):
        return ""
    return f"{name} = {found!r}"


def parameters_in(ops: Sequence[Op]) -> list[parameters.Parameter]:
    """The parameters among a program's ops, by name.

    Raises:
        DeclarationError: A trainable op's code cannot stand alone.
    """
    return [found for op in sorted(ops, key=lambda op: op.name) if (found := parameter_of(op)) is not None]
