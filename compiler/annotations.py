"""Python's type annotations: as words, and as one another."""

from __future__ import annotations

import enum
import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from treadle.compiler.canonical import JSON
from treadle.compiler.values import dump

# A Python annotation as users write it: a class, a generic alias, a Literal, a union. Typing has no name for it.
Annotation = Any


def origin_of(annotation: Annotation) -> Any:
    """``get_origin``, whose stub does not know the special forms it returns."""
    return get_origin(annotation)


def type_name(annotation: Annotation) -> str:
    """A type as the user wrote it, without module names.

    >>> type_name(list[str])
    'list[str]'
    """
    if annotation is None or annotation is type(None):
        return "None"
    if annotation is Any:
        return "Any"
    origin = origin_of(annotation)
    if origin is Annotated:
        return type_name(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return " | ".join(type_name(part) for part in get_args(annotation))
    if origin is Literal:
        return f"Literal[{', '.join(repr(part) for part in get_args(annotation))}]"
    if origin is not None:
        inner = ", ".join("..." if part is ... else type_name(part) for part in get_args(annotation))
        return f"{getattr(origin, '__name__', origin)}[{inner}]"
    return getattr(annotation, "__name__", str(annotation))


def assignable(source: Annotation, target: Annotation) -> bool:
    """Whether every value of ``source`` may stand where ``target`` is declared; unknown types (``Any``) may.

    >>> assignable(Literal["a"], str), assignable(str, int)
    (True, False)
    """
    source, target = _bare(source), _bare(target)
    if source is Any or target is Any or target is object or source == target:
        return True
    if origin_of(source) in (Union, types.UnionType):
        return all(assignable(part, target) for part in get_args(source))
    if origin_of(target) in (Union, types.UnionType):
        return any(assignable(source, part) for part in get_args(target))
    if origin_of(source) is Literal:
        return _literal_assignable(get_args(source), target)
    if origin_of(target) is Literal:
        return False
    return _class_assignable(source, target)


def _literal_assignable(values: tuple[object, ...], target: Annotation) -> bool:
    if origin_of(target) is Literal:
        return set(values) <= set(get_args(target))
    return all(assignable(type(value), target) for value in values)


def _class_assignable(source: Annotation, target: Annotation) -> bool:
    source_class, target_class = origin_of(source) or source, origin_of(target) or target
    if not (isinstance(source_class, type) and isinstance(target_class, type)):
        return True  # a form we know nothing of: checked when the value arrives
    if not (issubclass(source_class, target_class) or (source_class is int and target_class is float)):
        return False
    source_args, target_args = get_args(source), get_args(target)
    if not source_args or not target_args or len(source_args) != len(target_args):
        return True
    return all(assignable(a, b) for a, b in zip(source_args, target_args, strict=True) if a is not ... and b is not ...)


def _bare(annotation: Annotation) -> Annotation:
    """The type without ``Annotated``; ``None`` as its class."""
    if origin_of(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    return type(None) if annotation is None else annotation


def labels(annotation: Annotation) -> tuple[JSON, ...] | None:
    """The finite values of a Literal, Enum or bool type as JSON, or ``None`` where the type is not finite.

    >>> labels(Literal["yes", "no"])
    ('yes', 'no')
    """
    bare = _bare(annotation)
    if origin_of(bare) is Literal:
        return tuple(dump(value) for value in get_args(bare))
    if isinstance(bare, type) and issubclass(bare, enum.Enum):
        return tuple(dump(member) for member in bare)
    return (False, True) if bare is bool else None
