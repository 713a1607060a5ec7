"""Which types can be voted on: those where equal answers are written alike."""

from __future__ import annotations

import enum
import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pydantic

from treadle.compiler.annotations import Annotation

_EXACT = (bool, int, float, type(None))
_CONTAINERS = (list, tuple, dict, set, frozenset, Union, types.UnionType)


def votable(annotation: Annotation) -> bool:
    """Whether two independent answers of the type are likely to be equal when they mean the same.

    Labels, numbers and booleans are votable, and records, lists and unions of them; free text is not: ask for a
    Literal, or give ``Vote`` a key.

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
