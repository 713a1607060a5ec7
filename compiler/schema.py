"""Slots and signatures from data: the way back from ``Slot.to_json`` and ``Signature.to_json``."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, cast, get_args

import pydantic

from treadle.compiler.annotations import Annotation
from treadle.compiler.canonical import JSON, canonical
from treadle.compiler.errors import SignatureError
from treadle.compiler.json_schema import in_declared_order
from treadle.compiler.made_types import Known, class_key, make_type
from treadle.compiler.reading import Reading
from treadle.compiler.signature import Signature, Slot


def type_of(schema: JSON, path: str = "$", known: Known | None = None) -> Annotation:
    """The Python type a schema describes.

    Args:
        schema: What ``Slot.schema`` gave, perhaps from a file.
        path: Its place in the document, for error messages.
        known: Classes to use where the document means the same (``known_types``).

    Raises:
        ArtifactError: The schema is not one that Treadle writes; names the JSON path.

    >>> type_of({"type": "array", "items": {"type": "string"}})
    list[str]
    """
    plain = in_declared_order(Reading(schema, path).plain())
    if known:
        return make_type(Reading(plain, path), known)
    return _kept_type(_Schema(plain, path))


class _Schema:
    """A schema as a key, equal to the same schema elsewhere."""

    __slots__ = ("path", "schema", "text")

    def __init__(self, schema: JSON, path: str) -> None:
        self.schema = schema
        self.path = path
        self.text = canonical(schema)

    def __hash__(self) -> int:
        return hash(self.text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Schema) and self.text == other.text


@lru_cache(maxsize=1024)
def _kept_type(schema: _Schema) -> Annotation:
    return make_type(Reading(schema.schema, schema.path), {})


def slot_of(reading: Reading, known: Known | None = None) -> Slot:
    """A slot from what ``Slot.to_json`` gave. Its schema stays the one in the document, word by word.

    Raises:
        ArtifactError: It is malformed, or its default does not fit its type.
    """
    reading.fields(("name", "schema"), ("description", "default"))
    schema = in_declared_order(reading["schema"].plain())
    slot = Slot(
        name=reading["name"].text(200),
        annotation=type_of(schema, reading["schema"].path, known),
        description=reading["description"].text() if "description" in reading else "",
    )
    if "default" in reading:
        slot = _with_default(slot, reading["default"])
    vars(slot)["schema"] = schema  # what a prompt shows does not depend on the version that reads it
    return slot


def _with_default(slot: Slot, default: Reading) -> Slot:
    try:
        value = slot.read(default.plain())
    except pydantic.ValidationError:
        default.refuse("does not fit the field's type")
    return Slot(name=slot.name, annotation=slot.annotation, description=slot.description, default=value)


def signature_of(reading: Reading, known: Known | None = None) -> Signature:
    """A signature from what ``Signature.to_json`` gave.

    Raises:
        ArtifactError: It is malformed.
    """
    reading.fields(("name", "inputs", "outputs", "instruction"))
    try:
        return Signature(
            name=reading["name"].text(200),
            inputs=tuple(slot_of(slot, known) for slot in reading["inputs"].items()),
            outputs=tuple(slot_of(slot, known) for slot in reading["outputs"].items()),
            instruction=reading["instruction"].text(),
        )
    except SignatureError as error:
        reading.refuse(str(error))


def known_types(annotations: Iterable[Annotation]) -> Known:
    """The classes in some types, by what a schema says of them: for ``known=`` of the readers.

    A program that is loaded with ops of the user's then makes and takes the user's own classes.
    """
    found: dict[str, Any] = {}
    seen: set[Any] = set()
    for annotation in annotations:
        for cls in _classes(annotation, seen):
            schema = Slot(name="value", annotation=cls).schema
            definitions = cast(Mapping[str, JSON], schema.get("$defs", {}))
            reference = schema.get("$ref")  # a recursive class is written as a reference to itself
            top = definitions[str(reference).rpartition("/")[2]] if reference else schema
            found[class_key(cast(Mapping[str, JSON], top), definitions)] = cls
    return found


def _classes(annotation: Annotation, seen: set[Any]) -> Iterator[type]:
    for part in get_args(annotation):
        yield from _classes(part, seen)
    if not isinstance(annotation, type) or annotation in seen or get_args(annotation):
        return
    seen.add(annotation)
    if issubclass(annotation, enum.Enum):
        yield annotation
    elif issubclass(annotation, pydantic.BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from _classes(field.annotation, seen)
