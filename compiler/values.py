"""Plain Python values: as JSON, and as words for a message."""

from __future__ import annotations

from typing import Any, cast

import pydantic

from treadle.compiler.canonical import JSON

_ANY_ADAPTER: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(Any)


def dump(value: object) -> JSON:
    """Any plain Python value as JSON can hold it: models and dataclasses become objects, enums their values.

    Raises:
        pydantic_core.PydanticSerializationError: The value has no JSON form.
    """
    return cast(JSON, _ANY_ADAPTER.dump_python(value, mode="json"))


def shown(value: object, limit: int = 80) -> str:
    """``repr(value)``, cut to ``limit`` characters."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
