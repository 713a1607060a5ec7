"""The types of a graph's values as a table of JSON Schemas, so that a file states each once, under a readable name."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import cast

import pydantic

from treadle.compiler.annotations import Annotation, type_name
from treadle.compiler.canonical import JSON, canonical
from treadle.compiler.errors import ArtifactError, SignatureError
from treadle.compiler.json_schema import in_declared_order
from treadle.compiler.made_types import Known
from treadle.compiler.reading import Reading
from treadle.compiler.schema import type_of
from treadle.compiler.signature import Slot

_KEPT = 4_096

_schemas: OrderedDict[int, tuple[Annotation, Mapping[str, JSON], str]] = OrderedDict()
_names: OrderedDict[str, str] = OrderedDict()


def schema_of(annotation: Annotation) -> tuple[Mapping[str, JSON], str]:
    """The JSON Schema of a type, and its canonical text. A type without a schema is written as any value.

    Kept by the identity of the annotation: unions of another order are equal and have another schema.
    """
    found = _schemas.get(id(annotation))
    if found is None or found[0] is not annotation:
        found = (annotation, *_written(annotation))
        _schemas[id(annotation)] = found
        if len(_schemas) > _KEPT:
            _schemas.popitem(last=False)
    return found[1], found[2]


def _written(annotation: Annotation) -> tuple[Mapping[str, JSON], str]:
    try:
        schema = Slot(name="value", annotation=annotation).schema
        type_of(schema)
    except (SignatureError, pydantic.errors.PydanticUserError, NameError):  # NameError: a hint nobody can resolve
        schema = {}
    except ArtifactError:  # a class that writes a schema of its own, which no type can be made from
        schema = {}
    return schema, canonical(schema)


def _name_of(schema: Mapping[str, JSON], text: str) -> str:
    """What a schema's type is called: as the type that is made from it, so that reading and writing it again agree."""
    found = _names.get(text)
    if found is None:
        found = _names[text] = type_name(type_of(schema)) if schema else "Any"
        if len(_names) > _KEPT:
            _names.popitem(last=False)
    return found


class TypeTable:
    """Names for the types a graph uses, while it is written."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._table: dict[str, Mapping[str, JSON]] = {}

    def name(self, annotation: Annotation) -> str:
        """The name of a type, with a number if another type has that name."""
        schema, text = schema_of(annotation)
        if text not in self._names:
            plain = _name_of(schema, text)
            name, count = plain, 1
            while name in self._table:
                count += 1
                name = f"{plain}#{count}"
            self._names[text] = name
            self._table[name] = schema
        return self._names[text]

    def to_json(self) -> dict[str, JSON]:
        """Schemas by name."""
        return cast(dict[str, JSON], dict(self._table))


def types_from(reading: Reading, known: Known | None) -> dict[str, Annotation]:
    """The types of a table by name.

    Raises:
        ArtifactError: A schema is not one that Treadle writes.
    """
    table: dict[str, Annotation] = {}
    for name, schema in reading.members():
        made = table[name] = type_of(schema.value, schema.path, known)
        _remember(made, schema.value)
    return table


def _remember(annotation: Annotation, schema: JSON) -> None:
    """A type from a file is written again as it was read, whatever version of pydantic reads it."""
    if id(annotation) not in _schemas:
        kept = cast(Mapping[str, JSON], in_declared_order(schema))
        _schemas[id(annotation)] = (annotation, kept, canonical(kept))
