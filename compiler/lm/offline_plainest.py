"""The plainest value a schema allows, for what the offline model has no method for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from treadle.compiler.canonical import JSON

Schema = Mapping[str, JSON]

_DEEPEST = 8

_FORMATS: Mapping[str, str] = {
    "date": "1970-01-01",
    "date-time": "1970-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "duration": "PT0S",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "email": "someone@example.org",
    "uri": "https://example.org/",
    "ipv4": "0.0.0.0",
    "ipv6": "::",
}
"""A value of each format that types of the standard library and of pydantic ask for."""


def labels_of(schema: Schema) -> Sequence[JSON] | None:
    """The finite values of a schema, or ``None``."""
    if "const" in schema:
        return [schema["const"]]
    if "enum" in schema:
        return cast(Sequence[JSON], schema["enum"])
    return (False, True) if schema.get("type") == "boolean" else None


def allowed(schema: Schema, number: int | float) -> bool:
    """Whether a number keeps the schema's bounds."""
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    return (
        (not isinstance(low, int | float) or number >= low)
        and (not isinstance(high, int | float) or number <= high)
        and (not isinstance(above, int | float) or number > above)
        and (not isinstance(below, int | float) or number < below)
    )


def plainest(schema: Schema, definitions: Schema, depth: int = 0) -> JSON:
    """The plainest value that the schema's types, bounds lengths and formats allow; patterns are not looked at."""
    reference = schema.get("$ref")
    if isinstance(reference, str):
        schema = cast(Schema, definitions.get(reference.rpartition("/")[2], {}))
    if "default" in schema:
        return schema["default"]
    labels = labels_of(schema)
    if labels is not None:
        return labels[0]
    alternatives = cast(Sequence[Schema], schema.get("anyOf", schema.get("oneOf", ())))
    if alternatives:
        null = any(part.get("type") == "null" for part in alternatives)
        return None if null else plainest(alternatives[0], definitions, depth + 1)
    return _plainest_of_type(schema, definitions, depth)


def _plainest_of_type(schema: Schema, definitions: Schema, depth: int) -> JSON:
    kind = schema.get("type")
    if kind == "string":
        return _FORMATS.get(str(schema.get("format")), "-" * cast(int, schema.get("minLength", 0)))
    if kind in ("integer", "number"):
        return _plainest_number(schema)
    if kind == "array" and depth < _DEEPEST:
        first = [
            plainest(part, definitions, depth + 1) for part in cast(Sequence[Schema], schema.get("prefixItems", ()))
        ]
        item, fewest = cast(Schema, schema.get("items") or {}), cast(int, schema.get("minItems", 0))
        return first + [plainest(item, definitions, depth + 1)] * (fewest - len(first))
    if kind == "object" and depth < _DEEPEST:
        members = cast(Mapping[str, Schema], schema.get("properties", {}))
        wanted = cast(Sequence[str], schema.get("required", ()))
        return {name: plainest(members.get(name, {}), definitions, depth + 1) for name in wanted}
    if kind in ("array", "object"):
        return [] if kind == "array" else {}
    return None


def _plainest_number(schema: Schema) -> int | float:
    candidates: list[int | float] = [0, 1, -1]
    for key, step in (("minimum", 0), ("maximum", 0), ("exclusiveMinimum", 1), ("exclusiveMaximum", -1)):
        bound = schema.get(key)
        if isinstance(bound, int | float):
            candidates += [bound + step, bound + step / 2]
    whole = schema.get("type") == "integer"
    fitting = (n for n in candidates if allowed(schema, n) and (not whole or float(n).is_integer()))
    found = next(fitting, 0)
    return int(found) if float(found).is_integer() else found
