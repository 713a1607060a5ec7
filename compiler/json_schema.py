"""JSON Schema as pydantic writes it, with what a file needs to make the types again.

The additions are keywords that start with ``x-``; prompts and providers never see them:

``x-order``       names of an object's fields in declared order, since a file's keys are sorted
``x-enum-names``  member names of an enum class
``x-enum-base``   what an enum class is beside an enum: ``str``, ``int``, ``StrEnum``, ``IntEnum``
``x-python``      ``tuple``, ``frozenset``, ``decimal`` or ``typed_dict``, where the schema alone says something else
``x-class``       the name of a model's class, where its title is another
``x-keys``        schema of a dict's keys where they are not text
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, cast

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode

from treadle.compiler.canonical import JSON

Schema = Mapping[str, JSON]

NAMED_PARTS = ("properties", "$defs")
LISTED_PARTS = ("anyOf", "oneOf", "prefixItems")
SINGLE_PARTS = ("items", "additionalProperties", "propertyNames", "x-keys")

KEYWORDS = frozenset(
    {
        *("$defs", "$ref", "type", "const", "enum", "anyOf", "oneOf", "discriminator", "default"),
        *("title", "description", "examples", "format", "pattern", "minLength", "maxLength"),
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
        *("items", "prefixItems", "uniqueItems", "minItems", "maxItems"),
        *("properties", "required", "additionalProperties", "propertyNames", "minProperties", "maxProperties"),
        *("x-order", "x-enum-names", "x-enum-base", "x-python", "x-class", "x-keys"),
    }
)
"""What is written; other keywords that a type adds to its schema are left out, so that every schema can be read."""

_ENUM_BASES: tuple[type, ...] = (enum.StrEnum, enum.IntEnum, str, int)


class SchemaWriter(GenerateJsonSchema):
    """pydantic's schema with our keywords."""

    def generate(self, schema: Any, mode: JsonSchemaMode = "validation") -> dict[str, Any]:
        """The schema with the order of fields written down."""
        return cast(dict[str, Any], _mapped(super().generate(schema, mode), _finish))

    def enum_schema(self, schema: Any) -> dict[str, Any]:
        """The enum's schema, its member names and its base."""
        written = super().enum_schema(schema)
        written["x-enum-names"] = [member.name for member in schema["members"]]
        base = next((base for base in _ENUM_BASES if issubclass(schema["cls"], base)), None)
        return written if base is None else {**written, "x-enum-base": base.__name__}

    def model_schema(self, schema: Any) -> dict[str, Any]:
        """A model's schema, with the name of the class where its title is another."""
        written = super().model_schema(schema)
        name = schema["cls"].__name__
        return written if written.get("title") in (None, name) else {**written, "x-class": name}

    def tuple_schema(self, schema: Any) -> dict[str, Any]:
        """A tuple's schema; one of any length says that it is no list."""
        written = super().tuple_schema(schema)
        return written if "prefixItems" in written else {**written, "x-python": "tuple"}

    def frozenset_schema(self, schema: Any) -> dict[str, Any]:
        """A frozenset's schema, which says that it is no set."""
        return {**super().frozenset_schema(schema), "x-python": "frozenset"}

    def decimal_schema(self, schema: Any) -> dict[str, Any]:
        """A decimal's schema, which says that it is no float."""
        return {**super().decimal_schema(schema), "x-python": "decimal"}

    def typed_dict_schema(self, schema: Any) -> dict[str, Any]:
        """A typed dict's schema, which says that it is no model."""
        return {**super().typed_dict_schema(schema), "x-python": "typed_dict"}

    def dict_schema(self, schema: Any) -> dict[str, Any]:
        """A dict's schema with that of its keys."""
        written = super().dict_schema(schema)
        keys = self.generate_inner(schema["keys_schema"]) if "keys_schema" in schema else {}
        plain = not keys or keys.get("type") == "string" or "propertyNames" in written
        return written if plain else {**written, "x-keys": keys}


def _mapped(schema: Any, change: Any) -> Any:
    """The schema with every schema in it passed through ``change``, inner ones first."""
    if not isinstance(schema, Mapping):
        return schema
    mapped: dict[str, Any] = {}
    for key, value in schema.items():
        if key in NAMED_PARTS and isinstance(value, Mapping):
            mapped[key] = {name: _mapped(part, change) for name, part in value.items()}
        elif key in LISTED_PARTS and isinstance(value, list | tuple):
            mapped[key] = [_mapped(part, change) for part in value]
        else:
            mapped[key] = _mapped(value, change) if key in SINGLE_PARTS else value
    return change(mapped)


def _finish(schema: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in schema.items() if key in KEYWORDS}
    fields = kept.get("properties")
    return {**kept, "x-order": list(fields)} if isinstance(fields, Mapping) and len(fields) > 1 else kept


def in_declared_order(schema: JSON) -> JSON:
    """The schema with the fields of every object in declared order again, after a file has sorted them.

    >>> in_declared_order({"properties": {"a": {}, "b": {}}, "x-order": ["b", "a"]})
    {'properties': {'b': {}, 'a': {}}, 'x-order': ['b', 'a']}
    """
    return cast(JSON, _mapped(schema, _restore_order))


def _restore_order(schema: dict[str, Any]) -> dict[str, Any]:
    order, fields = schema.get("x-order"), schema.get("properties")
    if not isinstance(order, list | tuple) or not isinstance(fields, Mapping):
        return schema
    named = [name for name in order if isinstance(name, str) and name in fields]
    rest = [name for name in fields if name not in named]
    return {**schema, "properties": {name: fields[name] for name in (*named, *rest)}}
