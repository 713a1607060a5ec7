"""Parsing: a reply's text becomes the step's value, or an error that says what came and what is wanted.

Text is taken as it is, without the white space around it. Anything else must be one strict JSON document, alone or in
one fenced block; nothing is repaired, so that a reply cut short never passes for a whole one.
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import pydantic
import pydantic_core

from treadle.compiler.canonical import JSON
from treadle.compiler.errors import ReplyError
from treadle.compiler.lm.protocol import Message
from treadle.compiler.prompt.reply import Reply, reply_of
from treadle.compiler.prompt.schemas import in_words
from treadle.compiler.signature import Signature, Slot
from treadle.compiler.values import shown

MAX_REPLY = 1_000_000
"""Longest reply that is read, in characters."""

MAX_DEPTH = 64
"""Deepest nesting of lists and objects that is read."""

_QUOTED = 4_000  # characters of a bad reply that the re-ask shows the model again
_FENCE = "```"
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[{\]}]', re.DOTALL)  # an open string runs to the end: linear
_NOT_FINITE = re.compile("nan|inf", re.IGNORECASE)


def parse(signature: Signature, text: str) -> Any:
    """The value a reply stands for: the one output's value, or an instance of ``signature.value.annotation``.

    Raises:
        ReplyError: The reply is not of the form asked for; names the field, what came and what is wanted.
    """
    reply = reply_of(signature)
    if len(text) > MAX_REPLY:
        _refuse(f"the reply has {len(text):,} characters; at most {MAX_REPLY:,} are read", text)
    if reply.schema is None:
        return _read(signature, text.strip(), reply, text)
    data = _document(text)
    if reply.wrapped:
        data = _members(signature, data, text)
    return _read(signature, data, reply, text)


def reask(messages: Sequence[Message], reply: str, error: ReplyError) -> tuple[Message, ...]:
    """The chat that asks once more: the reply as the model gave it, and what is wrong with it."""
    quoted = reply if len(reply) <= _QUOTED else f"{reply[:_QUOTED]}…"
    request = f"This reply cannot be used: {error}\nReply again in the output format given at the start, nothing else."
    return (*messages, Message("assistant", quoted), Message("user", request))


def _refuse(message: str, text: str) -> NoReturn:
    raise ReplyError(message, reply=text) from None


# --- strict JSON -----------------------------------------------------------------------------------------------------


def _document(text: str) -> Any:
    """The JSON document in ``text``; floats are finite and no key stands twice."""
    body = _unfenced(text.strip())
    if _too_deep(body):
        _refuse(f"the reply nests lists and objects more than {MAX_DEPTH} deep", text)
    try:
        return _decoder().decode(body)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        _refuse(f"the reply is not one JSON document: {error.msg} at {where}; it begins {shown(text.strip())}", text)
    except ValueError as error:  # a duplicate, NaN, an integer of thousands of digits
        _refuse(f"the reply is not strict JSON: {error}", text)


def _unfenced(text: str) -> str:
    """What stands inside the one fenced block that is the whole text; any other text as it is."""
    first, newline, rest = text.partition("\n")
    if newline and rest.endswith(_FENCE) and first.strip() in (_FENCE, f"{_FENCE}json", f"{_FENCE}JSON"):
        return rest.removesuffix(_FENCE)
    return text


@functools.cache
def _decoder() -> json.JSONDecoder:
    return json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_float=_finite)


def _object(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} stands twice")
    return found


def _constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a JSON number")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"the number {digits[:20]} is too large")
    return number


def _too_deep(text: str) -> bool:
    """Whether brackets outside strings nest too deep; counted only where there are enough of them."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        mark = match.group()
        depth += 1 if mark in "[{" else -1 if mark in "]}" else 0
        if depth > MAX_DEPTH:
            return True
    return False


# --- against the signature -------------------------------------------------------------------------------------------


def _members(signature: Signature, data: Any, text: str) -> Any:
    """What ``signature.value`` is read from: the one member, or all of them, once the object has exactly these."""
    names = [slot.name for slot in signature.outputs]
    wanted = ", ".join(f'"{slot.name}": {in_words(slot.schema)}' for slot in signature.outputs)
    if not isinstance(data, dict):
        _refuse(f"the reply is {_kind(data)}, {shown(data)}; wanted an object {{{wanted}}}", text)
    missing = [name for name in names if name not in data]
    if missing:
        came = ", ".join(map(repr, data)) or "none"
        _refuse(f"field {missing[0]!r} is missing; the reply has {came}; wanted an object {{{wanted}}}", text)
    unknown = [name for name in data if name not in names]
    if unknown:
        _refuse(f"field {unknown[0]!r} was not asked for; wanted an object {{{wanted}}}", text)
    return data if len(names) > 1 else data[names[0]]


def _read(signature: Signature, data: Any, reply: Reply, text: str) -> Any:
    slot = signature.value
    # how errors name the value: a reply that is the bare object has no member of the output's name
    root = [slot.name] if reply.schema is None or (reply.wrapped and len(signature.outputs) == 1) else []
    try:
        found = slot.read(data)
    except pydantic.ValidationError as error:
        problems = error.errors(include_url=False, include_context=False)[:3]
        _refuse("; ".join(_problem(slot, root, problem) for problem in problems), text)
    if _NOT_FINITE.search(text):
        path = _path_to_nan(pydantic_core.to_jsonable_python(found, inf_nan_mode="constants"), root)
        if path is not None:
            _refuse(f"field {_where(slot, path)!r} holds NaN or an infinity; wanted a finite number", text)
    return found


def _problem(slot: Slot, root: Sequence[str], problem: Mapping[str, Any]) -> str:
    path = [*root, *(str(part) for part in problem["loc"])]
    wanted = "" if problem["loc"] else f"; wanted {in_words(slot.schema)}"
    return f"field {_where(slot, path)!r} is {shown(problem['input'])}: {problem['msg']}{wanted}"


def _where(slot: Slot, path: Sequence[str]) -> str:
    return ".".join(path) or slot.name


def _path_to_nan(value: JSON, path: Sequence[str]) -> Sequence[str] | None:
    """Where in ``value`` the first NaN or infinity stands."""
    if isinstance(value, float):
        return None if math.isfinite(value) else path
    if isinstance(value, Mapping):
        parts = [(str(key), part) for key, part in value.items()]
    else:
        parts = [(str(index), part) for index, part in enumerate(value)] if isinstance(value, list) else []
    found = (_path_to_nan(part, [*path, key]) for key, part in parts)
    return next((where for where in found if where is not None), None)


def _kind(data: object) -> str:
    kinds = {str: "text", bool: "true or false", list: "a list", dict: "an object", type(None): "null"}
    return kinds.get(type(data), "a number")
