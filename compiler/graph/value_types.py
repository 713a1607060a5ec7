"""Types of values as a graph under construction knows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Union, get_args, get_origin

import pydantic

from treadle.compiler.annotations import Annotation, type_name
from treadle.compiler.canonical import JSON
from treadle.compiler.errors import GraphError


def field_type(annotation: Annotation, name: str) -> Annotation:
    """The type of a record's field; ``Any`` where the record's is unknown.

    Raises:
        GraphError: The record has no such field.
    """
    if not (isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel)):
        return Any
    fields = annotation.model_fields
    if name not in fields:
        msg = f"{type_name(annotation)} has no field {name!r}; it has {', '.join(fields) or 'none'}"
        raise GraphError(msg, rule=5)
    return fields[name].annotation


def element_type(annotation: Annotation) -> Annotation:
    """What a list holds; ``Any`` where the type does not say."""
    args = get_args(annotation)
    origin: object = get_origin(annotation)
    return args[0] if origin is list and args else Any


def lists_of(types: Sequence[Annotation]) -> tuple[Annotation, ...]:
    """For each type the list of it."""
    return tuple(list[kind] for kind in types)  # type: ignore[valid-type]  # a type at run time


def either(a: Annotation, b: Annotation) -> Annotation:
    """What may be one or the other."""
    if a == b:
        return a
    return Any if Any in (a, b) else Union[a, b]  # noqa: UP007  the arms are values, not types in the source


def constant_type(value: JSON) -> Annotation:
    """The type of a constant; ``Any`` for what is no scalar."""
    if value is None:
        return type(None)
    return type(value) if isinstance(value, bool | int | float | str) else Any
