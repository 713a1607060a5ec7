"""What values of a type can be used for: what a module needs of a signature, and what a rewrite needs of an edge.

===========  ========================================================================================================
votable      two independent answers that mean the same are likely to be equal: labels, numbers, records of them
critiquable  a critic can be shown the value and say what is wrong with it
compressible free text that says the same in fewer words: no code, labels or text that has to keep a pattern
executable   text that may be a program
computable   a program can return it: plain data that JSON holds exactly, no class of the user's
enumerable   finitely many values, so that a choice can be made by it
===========  ========================================================================================================

Free text is not votable and a label is not compressible, whatever a module would make of them. A module that needs a
capability asks for it with ``require`` and says what to do instead.
"""

from __future__ import annotations

import enum
import types
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

import pydantic

from treadle.compiler.annotations import Annotation, labels, origin_of, type_name
from treadle.compiler.errors import SignatureError

Capability: TypeAlias = Literal["votable", "critiquable", "compressible", "executable", "computable", "enumerable"]

_EXACT = (bool, int, float, type(None))
_CONTAINERS = (list, tuple, dict, set, frozenset, Union, types.UnionType)


def capabilities(annotation: Annotation) -> frozenset[Capability]:
    """All that values of the type can be used for.

    >>> sorted(capabilities(Literal["yes", "no"]))
    ['computable', 'critiquable', 'enumerable', 'votable']
    >>> sorted(capabilities(str))
    ['compressible', 'computable', 'critiquable', 'executable']
    """
    return frozenset(name for name, holds in _TESTS.items() if holds(annotation))


def require(annotation: Annotation, capability: Capability, who: str, why: str, remedy: str) -> None:
    """Refuse a type that lacks a capability.

    Args:
        annotation: The type.
        capability: What it needs.
        who: What needs it, as the subject of a sentence: ``"Vote cannot count the answers of 'reply'"``.
        why: What goes wrong with such values.
        remedy: What to do, as a whole sentence without its full stop.

    Raises:
        SignatureError: It lacks it; says who, why and what to do.
    """
    if not _TESTS[capability](annotation):
        msg = f"{who}: {type_name(annotation)} is not {capability}: {why}. {remedy}"
        raise SignatureError(msg)


def votable(annotation: Annotation) -> bool:
    """Whether two independent answers of the type are likely to be equal when they mean the same.

    Labels, numbers and booleans are votable, and records, lists and unions of them; free text is not.

    >>> votable(Literal["yes", "no"]), votable(list[int]), votable(str)
    (True, True, False)
    """
    return _votable(annotation, ())


def _votable(annotation: Annotation, around: tuple[Any, ...]) -> bool:
    origin: object = get_origin(annotation)
    if origin is Annotated:
        return _votable(get_args(annotation)[0], around)
    if annotation is None or annotation in _EXACT or origin is Literal:
        return True
    if origin in _CONTAINERS:
        parts = [part for part in get_args(annotation) if part is not ...]
        if origin is dict:
            parts = parts[1:]  # keys are names
        return bool(parts) and all(_votable(part, around) for part in parts)
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return True
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel) and annotation not in around:
        fields = annotation.model_fields.values()
        return all(_votable(field.annotation, (*around, annotation)) for field in fields)
    return False


def _critiquable(annotation: Annotation) -> bool:
    return annotation not in (None, type(None), bytes)


def _compressible(annotation: Annotation) -> bool:
    """Text without constraints, or a list of it; a description is no constraint."""
    if origin_of(annotation) is Annotated:
        inner, *notes = get_args(annotation)
        return all(_only_described(note) for note in notes) and _compressible(inner)
    if origin_of(annotation) is list:
        return get_args(annotation) == (str,)
    return annotation is str


def _only_described(note: object) -> bool:
    return isinstance(note, str) or (isinstance(note, pydantic.fields.FieldInfo) and not note.metadata)


def _executable(annotation: Annotation) -> bool:
    return origin_of(annotation) is not list and _compressible(annotation)


def _computable(annotation: Annotation) -> bool:
    origin = origin_of(annotation)
    if origin is Annotated:
        return _computable(get_args(annotation)[0])
    if origin is Literal:
        return all(isinstance(value, str | int | float | bool) for value in get_args(annotation))
    if origin in (list, Union, types.UnionType):
        return all(_computable(part) for part in get_args(annotation))
    if origin is dict:
        return get_args(annotation)[0] is str and _computable(get_args(annotation)[1])
    return annotation in (None, Any, str, list, dict, *_EXACT)  # of `Any` nothing says that it is not


def _enumerable(annotation: Annotation) -> bool:
    return labels(annotation) is not None


_TESTS: Mapping[Capability, Callable[[Annotation], bool]] = {
    "votable": votable,
    "critiquable": _critiquable,
    "compressible": _compressible,
    "executable": _executable,
    "computable": _computable,
    "enumerable": _enumerable,
}
