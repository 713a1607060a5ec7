"""What a world reads of a request, and how it writes a reply: the part that knows prompt formats.

A prompt is read the way any framework writes it: system text line by line, earlier user and assistant turns as demos,
the last user turn as the question. A reply takes the form that was asked for: a JSON object by schema, fields between
markers such as ``[[ ## name ## ]]``, or plain text.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

_MARKER = re.compile(r"\[\[ ## (\w+) ## \]\]")
_IN_JSON = re.compile(r"JSON object in the following order of fields: ([^\n]*)")
"""How DSPy asks for JSON in words, without a schema."""


@dataclasses.dataclass(frozen=True)
class Demo:
    """An earlier turn: a question and its answer."""

    question: str
    answer: str


@dataclasses.dataclass(frozen=True)
class Prompt:
    """A request as a world reads it.

    Attributes:
        system: The lines of all system text, and of the last user turn's text that the caller counts as instructions.
        demos: Earlier turns.
        question: The last user turn.
        fields: Output fields asked for, in order; empty for plain text.
        markers: Whether the fields are asked for between markers.
        schema: The schema asked for, if any.
        sample: What tells two samples of one prompt apart.
    """

    system: tuple[str, ...]
    demos: tuple[Demo, ...]
    question: str
    fields: tuple[str, ...]
    markers: bool
    schema: Mapping[str, Any]
    sample: str

    @property
    def offered(self) -> str:
        """Where the labels a reply may hold are listed: the schema, or the system text that explains the markers.

        A request for plain text offers none: it asks for prose, such as an instruction.
        """
        if self.schema:
            return str(self.schema)
        return "\n".join(self.system) if self.markers or self.fields else ""


def read(messages: Sequence[Mapping[str, str]], response_format: Mapping[str, Any] | None, sample: str = "") -> Prompt:
    """The prompt in ``messages``."""
    system = "\n".join(message["content"] for message in messages if message["role"] == "system")
    turns = [message for message in messages if message["role"] != "system"]
    demos = [
        Demo(first["content"], second["content"])
        for first, second in itertools.pairwise(turns)
        if first["role"] == "user" and second["role"] == "assistant"
    ]
    question = turns[-1]["content"] if turns else ""
    schema = _schema(response_format)
    fields = tuple(schema.get("properties", {})) or _fields_in_words(question)
    markers = not fields and bool(_MARKER.search(system + question))
    if markers:
        fields = _fields_to_fill(system, question)
    return Prompt(tuple(system.splitlines()), tuple(demos), question, fields, markers, schema, sample)


def _schema(response_format: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if not response_format:
        return {}
    inner = response_format.get("json_schema", response_format)
    return inner.get("schema", inner) if isinstance(inner, Mapping) else {}


def _fields_in_words(question: str) -> tuple[str, ...]:
    asked = _IN_JSON.search(question)
    return tuple(re.findall(r"`(\w+)`", asked.group(1))) if asked else ()


def _fields_to_fill(system: str, question: str) -> tuple[str, ...]:
    """Marked fields that the question does not give: those are the outputs."""
    given = set(_MARKER.findall(question.split("Respond with")[0]))
    return tuple(dict.fromkeys(name for name in _MARKER.findall(system) if name not in given | {"completed"}))


def write(prompt: Prompt, values: Mapping[str, Any]) -> str:
    """A reply that gives ``values`` in the form the prompt asks for; the value under ``""`` fills unnamed fields."""
    default = values.get("", "")
    if prompt.markers:
        parts = [f"[[ ## {name} ## ]]\n{values.get(name, default)}" for name in prompt.fields]
        return "\n\n".join([*parts, "[[ ## completed ## ]]"])
    if prompt.fields:
        return json.dumps({name: values.get(name, default) for name in prompt.fields})
    return str(default)


def chance(*key: object) -> float:
    """A number from 0 to 1 that is a function of ``key``."""
    text = "\x1f".join(str(part) for part in key)
    return int(hashlib.sha256(text.encode()).hexdigest()[:13], 16) / 16**13


def pick(options: Sequence[Any], *key: object) -> Any:
    """One of ``options`` as a function of ``key``."""
    return options[int(chance(*key) * len(options))]
