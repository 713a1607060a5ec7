"""Rendering: a signature, demos and inputs become the exact messages a model gets.

The system message holds the fields, the output format and the instruction, in this order and under fixed headings;
demos follow as earlier turns; the last message holds the inputs::

    system      # Fields … # Output format … # Instruction …
    user        <ticket>            a demo's inputs
                My card is late.
                </ticket>
    assistant   {"triage": "shipping"}
    user        <ticket> … </ticket>

Text stands between its tags as it is, without escapes. Where a text holds the closing tag itself, a number is added to
the tag, the smallest that makes it unambiguous: ``<ticket-2>`` … ``</ticket-2>``. So a value ends at the first line
that closes the tag it was opened with, whatever it says. All other values are JSON on one line.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.resources
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from treadle.compiler.canonical import JSON
from treadle.compiler.errors import InputError
from treadle.compiler.lm.protocol import Message
from treadle.compiler.prompt.demo import Demo
from treadle.compiler.prompt.reply import Reply, reply_of
from treadle.compiler.prompt.same import Same
from treadle.compiler.prompt.schemas import in_words
from treadle.compiler.signature import Signature, Slot
from treadle.compiler.values import dump

TEMPLATE_ID = "chat/1"
"""Name of the chat template; a change of the prompts' text is a new name or a new hash."""

CONTEXT_PREFIX = "from_"
"""A context edge's field is called ``from_`` and the name of its source."""

Field = tuple[str, str, str]
"""Source of a context edge or nothing, tag, text."""


def render(
    signature: Signature,
    demos: Sequence[Demo],
    inputs: Mapping[str, object],
    *,
    context: Sequence[tuple[str, object]] = (),
) -> tuple[Message, ...]:
    """The messages of one call.

    The part before the inputs is kept while the same signature and the same tuple of demos are used again; a list of
    demos is rendered anew each time.

    Args:
        signature: Fields and instruction.
        demos: Worked examples, shown in this order. Outputs a demo does not have, such as ``reasoning``, are left out.
        inputs: Values by field name. A field that is missing is left out.
        context: Values of context edges by the name of their source; shown after the inputs, sorted by source.

    Raises:
        InputError: A demo has none of the signature's outputs, or a value has no JSON form.
    """
    edges = sorted(context, key=lambda edge: edge[0])
    sources = tuple(source for source, _ in edges)
    if isinstance(demos, tuple):
        prefix = _kept_prefix(Same(signature, demos), sources)
    else:
        prefix = _prefix(signature, demos, sources)
    fields = [_field(slot.name, _dumped(slot, inputs[slot.name])) for slot in signature.inputs if slot.name in inputs]
    fields += [_field(CONTEXT_PREFIX + source, dump(value), source) for source, value in edges]
    return (*prefix, Message("user", _macro("user")(fields)))


def response_schema(signature: Signature) -> Mapping[str, JSON] | None:
    """JSON Schema of the reply, or ``None`` for a single plain ``str`` output, which is asked for as text.

    One output whose schema is an object is asked for as that object, any other single output as
    ``{"<its name>": value}``, several outputs as ``{each name: value}``.
    """
    return reply_of(signature).schema


def template_hash() -> str:
    """First 16 hexadecimal digits of the SHA-256 of the chat template's text."""
    return hashlib.sha256(_template_text().encode()).hexdigest()[:16]


# --- the part before the inputs --------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=1024)
def _kept_prefix(same: Same, sources: tuple[str, ...]) -> tuple[Message, ...]:
    signature, demos = same.objects
    return _prefix(cast(Signature, signature), cast(tuple[Demo, ...], demos), sources)


def _prefix(signature: Signature, demos: Sequence[Demo], sources: Sequence[str]) -> tuple[Message, ...]:
    messages = [Message("system", _system(signature))]
    for demo in demos:
        messages.append(Message("user", _macro("user")(_demo_fields(signature, demo, sources))))
        messages.append(Message("assistant", _demo_reply(signature, demo)))
    return tuple(messages)


def _system(signature: Signature) -> str:
    reply = reply_of(signature)
    return _macro("system")(
        [_described(slot) for slot in signature.inputs],
        [_described(slot) for slot in signature.outputs],
        "" if reply.schema is None else json_text(reply.schema),
        signature.outputs[0].name if reply.schema is None else "",
        signature.instruction.strip(),
    )


def _described(slot: Slot) -> tuple[str, str, str]:
    """Name, type in words, and description; later lines are indented so that no heading can stand in them."""
    return slot.name, in_words(slot.schema), "\n  ".join(slot.description.strip().splitlines())


def _demo_fields(signature: Signature, demo: Demo, sources: Sequence[str]) -> list[Field]:
    fields = [_field(slot.name, demo.inputs[slot.name]) for slot in signature.inputs if slot.name in demo.inputs]
    edges = ((source, CONTEXT_PREFIX + source) for source in sources)
    return fields + [_field(name, demo.inputs[name], source) for source, name in edges if name in demo.inputs]


def _demo_reply(signature: Signature, demo: Demo) -> str:
    named = {slot.name: demo.outputs[slot.name] for slot in signature.outputs if slot.name in demo.outputs}
    if not named:
        wanted, given = ", ".join(slot.name for slot in signature.outputs), ", ".join(demo.outputs) or "none"
        msg = f"a demo of {signature.name!r} has none of its outputs ({wanted}); it has {given}"
        raise InputError(msg)
    return reply_text(reply_of(signature), named)


def reply_text(reply: Reply, named: Mapping[str, JSON]) -> str:
    """The reply that gives ``named`` outputs, as a model should write it."""
    if reply.wrapped:
        return json_text(dict(named))
    (value,) = named.values()
    return value if reply.schema is None and isinstance(value, str) else json_text(value)


# --- values ----------------------------------------------------------------------------------------------------------


def json_text(value: JSON) -> str:
    """``value`` as JSON on one line, any unicode as it is."""
    return json.dumps(value, ensure_ascii=False)


def _dumped(slot: Slot, value: object) -> JSON:
    if type(value) is str:
        return value
    try:
        return slot.dump(value)
    except ValueError as error:  # pydantic's serialisation error is one
        msg = f"the value of {slot.name!r}, a {type(value).__name__}, has no JSON form to show a model: {error}"
        raise InputError(msg) from None


def _field(name: str, value: JSON, source: str = "") -> Field:
    text = value if isinstance(value, str) else json_text(value)
    return source, _tag(name, text), text


def _tag(name: str, text: str) -> str:
    """``name``, with a number where the text holds its closing tag."""
    if f"</{name}" not in text:
        return name
    tag, number = name, 1
    while f"</{tag}>" in text:
        number += 1
        tag = f"{name}-{number}"
    return tag


# --- the template ----------------------------------------------------------------------------------------------------


@functools.cache
def _template_text() -> str:
    folder = importlib.resources.files("treadle.compiler.prompt")
    return folder.joinpath("templates", "chat.jinja").read_text(encoding="utf-8")


@functools.cache
def _macro(name: str) -> Callable[..., str]:
    """One of the template's macros."""
    return cast(Callable[..., str], getattr(_template(), name))


@functools.cache
def _template() -> Any:  # jinja2's module object: its macros are attributes by name
    from jinja2 import Environment, StrictUndefined

    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)
    return environment.from_string(_template_text()).module
