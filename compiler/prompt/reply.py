"""The form of a reply: what shape a signature's outputs take between prompt and parser."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Annotated, cast, get_args, get_origin

from treadle.compiler.annotations import Annotation
from treadle.compiler.canonical import JSON
from treadle.compiler.prompt.same import Same
from treadle.compiler.prompt.schemas import Schema, definitions, resolve, slim
from treadle.compiler.signature import Signature, Slot


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reply:
    """How a signature's outputs are written in a reply.

    Attributes:
        schema: JSON Schema of the reply without generated titles; ``None`` for text.
        wrapped: Whether the reply is an object with one member per output; otherwise it is the value itself.
    """

    schema: Mapping[str, JSON] | None
    wrapped: bool


def reply_of(signature: Signature) -> Reply:
    """The form of the replies to ``signature``; kept while the same signature is used again."""
    return _kept(Same(signature))


@functools.lru_cache(maxsize=1024)
def _kept(same: Same) -> Reply:
    signature = cast(Signature, same.objects[0])
    if len(signature.outputs) > 1:
        return Reply(schema={**cast(Schema, slim(signature.value.schema)), "additionalProperties": False}, wrapped=True)
    (slot,) = signature.outputs
    if is_text(slot.annotation):
        return Reply(schema=None, wrapped=False)
    schema = cast(Schema, slim(slot.schema))
    if resolve(schema, definitions(schema)).get("type") == "object":
        return Reply(schema=schema, wrapped=False)
    return Reply(schema=_wrapped(slot, schema), wrapped=True)


def is_text(annotation: Annotation) -> bool:
    """Whether the type is ``str``, with or without constraints."""
    origin: object = get_origin(annotation)
    return annotation is str or (origin is Annotated and is_text(get_args(annotation)[0]))


def _wrapped(slot: Slot, schema: Schema) -> dict[str, JSON]:
    """The schema of an object with the slot as its one member; definitions move to the object's top."""
    member = {key: value for key, value in schema.items() if key != "$defs"}
    if slot.description:
        member["description"] = slot.description
    shared = definitions(schema)
    head: dict[str, JSON] = {"$defs": shared} if shared else {}
    return head | {
        "type": "object",
        "properties": {slot.name: member},
        "required": [slot.name],
        "additionalProperties": False,
    }
