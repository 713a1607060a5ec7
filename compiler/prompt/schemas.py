"""JSON Schemas as prompts show them: without pydantic's generated titles, and in a few words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import cast

from treadle.compiler.canonical import JSON

Schema = Mapping[str, JSON]

_NAMED = ("properties", "$defs", "patternProperties")
_LISTED = ("anyOf", "oneOf", "allOf", "prefixItems")
_NESTED = ("items", "additionalProperties", "not", "contains", "propertyNames")
_WORDS = {"string": "text", "integer": "integer", "number": "number", "boolean": "true or false", "null": "null"}


def slim(schema: JSON) -> JSON:
    """The schema without titles and other words that only tools read; it accepts the same values.

    >>> slim({"type": "object", "title": "T", "properties": {"title": {"type": "string", "title": "Title"}}})
    {'type': 'object', 'properties': {'title': {'type': 'string'}}}
    """
    if not isinstance(schema, Mapping):
        return schema
    return {
        key: _slim_under(key, value) for key, value in schema.items() if key != "title" and not key.startswith("x-")
    }


def _slim_under(key: str, value: JSON) -> JSON:
    if key in _NAMED and isinstance(value, Mapping):
        return {name: slim(part) for name, part in value.items()}
    if key in _LISTED and isinstance(value, Sequence) and not isinstance(value, str):
        return [slim(part) for part in value]
    return slim(value) if key in _NESTED else value


def resolve(schema: Schema, definitions: Schema) -> Schema:
    """The schema a ``$ref`` points at; the schema itself where it is none."""
    reference = schema.get("$ref")
    if not isinstance(reference, str):
        return schema
    found = definitions.get(reference.rpartition("/")[2], {})
    return found if isinstance(found, Mapping) else {}


def definitions(schema: Schema) -> Schema:
    """The ``$defs`` of a schema."""
    return cast(Schema, schema.get("$defs", {}))


def in_words(schema: Schema, shared: Schema | None = None) -> str:
    """What a value looks like, in one line for a prompt or an error message.

    >>> in_words({"type": "array", "items": {"type": "string"}})
    'list of text'
    """
    shared = definitions(schema) if shared is None else shared
    schema = resolve(schema, shared)
    if "const" in schema:
        return json.dumps(schema["const"], ensure_ascii=False)
    if "enum" in schema:
        values = cast(Sequence[JSON], schema["enum"])
        return "one of " + ", ".join(json.dumps(value, ensure_ascii=False) for value in values)
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(in_words(part, shared) for part in cast(Sequence[Schema], schema[key])))
    return _container_in_words(schema, shared)


def _container_in_words(schema: Schema, shared: Schema) -> str:
    kind = schema.get("type")
    if kind == "array":
        items = schema.get("items")
        return f"list of {in_words(items, shared)}" if isinstance(items, Mapping) and items else "list"
    if kind == "object":
        fields = schema.get("properties")
        if isinstance(fields, Mapping) and fields:
            return f"object with {', '.join(fields)}"
        values = schema.get("additionalProperties")
        return f"object of {in_words(values, shared)}" if isinstance(values, Mapping) and values else "object"
    words = _WORDS.get(kind, "any value") if isinstance(kind, str) else "any value"
    form = schema.get("format")
    return f"{words} ({form})" if isinstance(form, str) else words
