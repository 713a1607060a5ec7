"""Signatures from the hints of a function, and from strings."""

from __future__ import annotations

import ast
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal, Union, get_args

from pydantic.fields import FieldInfo

from treadle.compiler.annotations import Annotation, origin_of
from treadle.compiler.errors import SignatureError
from treadle.compiler.signature import MISSING, Signature, Slot


def from_function(function: Callable[..., object], *, name: str | None = None) -> Signature:
    """The signature a predictor's function declares: hints are the fields, the docstring is the instruction.

    Raises:
        SignatureError: A hint is missing or unknown, an argument is ``*args`` or ``**kwargs``, or the return type is
            missing.
    """
    title = name or function.__name__
    hints = _hints(function, title)
    if hints.get("return") in (None, type(None)):
        msg = f"predictor {title!r} has no return type; write -> str, or the type the model should fill"
        raise SignatureError(msg)
    return _declared(function, title, hints)


def from_program(function: Callable[..., object], *, name: str | None = None) -> Signature:
    """The signature a program's function declares. Without a return type, or with ``None``, the output is untyped.

    Raises:
        SignatureError: A hint is missing or unknown, or an argument is ``*args`` or ``**kwargs``.
    """
    title = name or function.__name__
    hints = _hints(function, title)
    if hints.get("return") in (None, type(None)):
        hints["return"] = Any
    return _declared(function, title, hints)


def _declared(function: Callable[..., object], title: str, hints: Mapping[str, Annotation]) -> Signature:
    inputs = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            msg = f"{title!r}: *{parameter.name} is not a field; name every input"
            raise SignatureError(msg)
        if parameter.name in ("self", "cls") and parameter.name not in hints:
            continue
        if parameter.name not in hints:
            msg = f"{title!r}: input {parameter.name!r} has no type hint; write {parameter.name}: str, say"
            raise SignatureError(msg)
        default = MISSING if parameter.default is parameter.empty else parameter.default
        inputs.append(_slot(parameter.name, hints[parameter.name], default))
    output = _slot(title, hints["return"], MISSING)
    signature = Signature(
        name=title, inputs=tuple(inputs), outputs=(output,), instruction=inspect.cleandoc(function.__doc__ or "")
    )
    for slot in (*signature.inputs, *signature.outputs):
        _ = slot.schema  # a type with no schema is an error here, at the declaration
    return signature


def _hints(function: Callable[..., object], title: str) -> dict[str, Annotation]:
    try:
        return typing.get_type_hints(function, localns=_closure(function), include_extras=True)
    except NameError as error:
        msg = f"{title!r}: the type {error.name!r} in its hints is not defined where the function is declared"
        raise SignatureError(msg) from error


def _closure(function: Callable[..., object]) -> dict[str, object]:
    """Names a function closes over; local classes in hints are found here when the function uses them."""
    code = getattr(function, "__code__", None)
    cells = getattr(function, "__closure__", None) or ()
    names = code.co_freevars if code else ()
    return {name: cell.cell_contents for name, cell in zip(names, cells, strict=True) if _filled(cell)}


def _filled(cell: types.CellType) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True


def _slot(name: str, hint: Annotation, default: object) -> Slot:
    """A slot from a hint; a plain string or a pydantic ``Field`` in ``Annotated`` is the description."""
    description = ""
    if origin_of(hint) is Annotated:
        base, *extras = get_args(hint)
        kept: list[object] = []
        for extra in extras:
            if isinstance(extra, str):
                description = extra
            else:
                if isinstance(extra, FieldInfo) and extra.description:
                    description = extra.description
                kept.append(extra)
        hint = _annotated(base, kept)
    return Slot(name=name, annotation=hint, description=description, default=default)


def _annotated(base: Annotation, extras: Iterable[object]) -> Annotation:
    constraints = [extra for extra in extras if not isinstance(extra, FieldInfo) or extra.metadata]
    return Annotated[(base, *constraints)] if constraints else base


_WORDS: Mapping[str, Annotation] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "list": list,
    "dict": dict,
    "Any": Any,
    "None": None,
    "Literal": Literal,
    "Optional": typing.Optional,
    "Union": Union,
}

_FIELD = re.compile(r"\s*([^\W\d]\w*)\s*(?::(.*))?\Z", re.DOTALL)


def from_string(text: str, *, name: str = "predict", instruction: str = "") -> Signature:
    """A signature from ``"question, context: list[str] -> answer: float"``; a field without a type is ``str``.

    The types allowed are str, int, float, bool, list, dict, Literal, Optional, Union, None and ``|`` between them.

    Raises:
        SignatureError: The text is not of that form.

    >>> from_string("question -> answer: float").outputs[0].name
    'answer'
    """
    left, arrow, right = text.partition("->")
    if not arrow:
        msg = f"signature {text!r} has no '->'; write it as 'question, context: list[str] -> answer: float'"
        raise SignatureError(msg)
    return Signature(
        name=name,
        inputs=tuple(_fields(left, text)),
        outputs=tuple(_fields(right, text)),
        instruction=instruction,
    )


def _fields(side: str, whole: str) -> Iterable[Slot]:
    for part in _split(side):
        match = _FIELD.match(part)
        if match is None:
            msg = f"signature {whole!r}: {part.strip()!r} is not a field; write name or name: type"
            raise SignatureError(msg)
        field, hint = match.groups()
        yield Slot(name=field, annotation=str if hint is None else _type_from_text(hint.strip(), whole))


def _split(side: str) -> Iterable[str]:
    """The comma-separated parts of one side, commas inside brackets and quotes left alone."""
    depth, quote, start = 0, "", 0
    for index, character in enumerate(side):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "[(":
            depth += 1
        elif character in ")]":
            depth -= 1
        elif character == "," and depth == 0:
            yield side[start:index]
            start = index + 1
    if side[start:].strip():
        yield side[start:]


def _type_from_text(text: str, whole: str) -> Annotation:
    """A type expression, read from its syntax tree: nothing is evaluated but the words of ``_WORDS``."""
    try:
        return _type_from_tree(ast.parse(text, mode="eval").body)
    except (SyntaxError, KeyError, TypeError, ValueError) as error:
        msg = f"signature {whole!r}: {text!r} is not a type; use {', '.join(_WORDS)} and | between them"
        raise SignatureError(msg) from error


def _type_from_tree(tree: Any) -> Annotation:
    match tree:
        case ast.Name(id=word):
            return _WORDS[word]
        case ast.Constant(value=value):
            return value
        case ast.Tuple(elts=parts):
            return tuple(_type_from_tree(part) for part in parts)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return Union[_type_from_tree(left), _type_from_tree(right)]  # noqa: UP007  None | None is no type, Union[None, None] is
        case ast.Subscript(value=base, slice=inner):
            return _type_from_tree(base)[_type_from_tree(inner)]
    raise ValueError(ast.dump(tree))
