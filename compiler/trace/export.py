"""Traces as JSON lines, written to and read from open streams.

Each line is one trace: ``{"format": "treadle/trace", "version": 1, "program": …, "spans": […]}``. Keys are taken out of
every text on the way out. What comes in was written by anybody: it is checked field by field.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Any, NoReturn, TextIO, cast, get_args

from treadle.compiler.canonical import JSON
from treadle.compiler.errors import DataError
from treadle.compiler.lm.protocol import Message, Role, Usage
from treadle.compiler.redact import redact_json
from treadle.compiler.trace.trace import Span, SpanKind, Trace

FORMAT = "treadle/trace"
VERSION = 1

_LARGEST = 2**53  # what every reader of JSON can hold


def write_jsonl(traces: Iterable[Trace], stream: TextIO) -> None:
    """Write each trace as one line. Keys are replaced by ``[redacted]``; text is ASCII, so any encoding will do."""
    for trace in traces:
        stream.write(_line(trace) + "\n")


def read_jsonl(stream: Iterable[str]) -> Iterator[Trace]:
    """The traces in a stream of lines, one after another; empty lines are skipped.

    Raises:
        DataError: A line is not a trace; names the line and what is wrong with it.
    """
    for number, line in enumerate(stream, start=1):
        if line.strip():
            try:
                yield trace_from_json(_document(line))
            except (ValueError, RecursionError) as error:
                msg = f"line {number} is not a trace: {error}"
                raise DataError(msg) from None


def trace_to_json(trace: Trace) -> dict[str, JSON]:
    """The trace as data; what stands at its default is left out of the spans."""
    spans = [_span_to_json(span) for span in trace.spans]
    return {"format": FORMAT, "version": VERSION, "program": trace.program, "spans": spans}


def trace_from_json(data: object) -> Trace:
    """A trace from data.

    Raises:
        DataError: The data is not a trace; names the place and what is wrong with it.
    """
    if not isinstance(data, Mapping) or data.get("format") != FORMAT:
        _refuse("", f'it has no "format": "{FORMAT}"')
    if data.get("version") != VERSION:
        _refuse("", f"its version is {str(data.get('version'))[:20]!r}; this version of Treadle reads {VERSION}")
    if set(data) != {"format", "version", "program", "spans"}:
        _refuse("", "it has other fields than format, version, program and spans")
    spans = data["spans"]
    if not isinstance(spans, list) or not spans:
        _refuse(".spans", "it is not a list of spans")
    read = tuple(_span_from_json(span, number, len(spans)) for number, span in enumerate(spans))
    program = data["program"]
    if not isinstance(program, str):
        _refuse(".program", "it is not a text")
    return Trace(program=program, spans=read)


# --- out -------------------------------------------------------------------------------------------------------------


def _line(trace: Trace) -> str:
    data = redact_json(trace_to_json(trace))
    try:
        return json.dumps(data, allow_nan=False, separators=(",", ":"))
    except ValueError:  # a NaN in a value of the user's
        return json.dumps(finite(data), allow_nan=False, separators=(",", ":"))


def _span_to_json(span: Span) -> dict[str, JSON]:
    data: dict[str, JSON] = {"id": span.id, "parent": span.parent, "kind": span.kind, "name": span.name}
    for (name, default, write), value in zip(_OPTIONAL, _values(span), strict=True):
        if value != default:
            data[name] = value if write is None else write(value)
    return data


_ALWAYS = ("id", "parent", "kind", "name")

_WRITERS: Mapping[str, Callable[[Any], JSON]] = {
    "messages": lambda messages: [[message.role, message.content] for message in messages],
    "usage": lambda usage: [usage.input_tokens, usage.output_tokens],
    **dict.fromkeys(("indices", "sources", "controls", "repairs", "parameters"), list),
}

_OPTIONAL: tuple[tuple[str, object, Callable[[Any], JSON] | None], ...] = tuple(
    (field.name, {} if field.default is dataclasses.MISSING else field.default, _WRITERS.get(field.name))
    for field in dataclasses.fields(Span)
    if field.name not in _ALWAYS
)
"""What is left out where it is the default: its name, the default, and how it is written where not as it is."""

_values = attrgetter(*(name for name, _, _ in _OPTIONAL))


def finite(value: JSON) -> JSON:
    """The value with every NaN and infinity as a text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, list) else value


# --- in --------------------------------------------------------------------------------------------------------------


def _document(line: str) -> object:
    return json.loads(line, parse_constant=_constant)


def _constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a JSON number")


def _refuse(where: str, what: str) -> NoReturn:
    raise DataError(f"at ${where}: {what}" if where else what)


class _Wrong(Exception):
    """A value that is not what it has to be; where it stands is added on the way out."""

    def __init__(self, what: str, where: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where

    def inside(self, place: str) -> _Wrong:
        return _Wrong(self.what, place + self.where)


def _span_from_json(data: object, number: int, count: int) -> Span:
    where = f".spans[{number}]"
    if not isinstance(data, Mapping):
        _refuse(where, "it is not an object")
    unknown = [name for name in data if name not in _READERS]
    if unknown:
        _refuse(where, f"it has the unknown field {str(unknown[0])[:40]!r}")
    missing = [name for name in _ALWAYS if name not in data]
    if missing:
        _refuse(where, f"it has no field {missing[0]!r}")
    span = _filled(data, where)
    if span.id != number or not _parent_fits(span.parent, number):
        _refuse(where, "its id is not its place, or its parent does not stand before it")
    if any(not 0 <= other < count for other in (*span.sources, *span.controls)):
        _refuse(where, "its sources or controls are not spans of the trace")
    return span


def _filled(data: Mapping[str, object], where: str) -> Span:
    fields: dict[str, Any] = {}
    for name, value in data.items():
        try:
            fields[name] = _READERS[name](value)
        except _Wrong as wrong:
            _refuse(f"{where}.{name}{wrong.where}", wrong.what)
    return Span(**fields)


def _parent_fits(parent: int | None, number: int) -> bool:
    return parent is None if number == 0 else parent is not None and 0 <= parent < number


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _Wrong("it is not a text")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Wrong("it is not a number")
    if isinstance(value, int):
        return _whole(value)
    if not math.isfinite(value):
        raise _Wrong("it is too large a number")
    return value


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _Wrong("it is not a whole number")
    if abs(value) > _LARGEST:
        raise _Wrong("it is too large a number")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise _Wrong("it is not true or false")
    return value


def _object(value: object) -> Mapping[str, JSON]:
    if not isinstance(value, Mapping):
        raise _Wrong("it is not an object")
    return value


def _any(value: object) -> JSON:
    return cast(JSON, value)


def _optional(read: Callable[[object], Any]) -> Callable[[object], Any]:
    return lambda value: None if value is None else read(value)


def _list_of(read: Callable[[object], Any]) -> Callable[[object], Any]:
    def read_all(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise _Wrong("it is not a list")
        done: list[Any] = []
        try:
            for item in value:
                done.append(read(item))  # noqa: PERF401  what is done says where it went wrong
        except _Wrong as wrong:
            raise wrong.inside(f"[{len(done)}]") from None
        return tuple(done)

    return read_all


def _one_of(allowed: tuple[str, ...]) -> Callable[[object], Any]:
    def read(value: object) -> str:
        if value not in allowed:
            raise _Wrong(f"it is not one of {', '.join(allowed)}")
        return value

    return read


def _pair(value: object) -> tuple[Any, Any]:
    if not isinstance(value, list) or len(value) != 2:
        raise _Wrong("it is not a pair")
    return value[0], value[1]


_role = _one_of(get_args(Role))


def _message(value: object) -> Message:
    role, content = _pair(value)
    return Message(_role(role), _text(content))


def _usage(value: object) -> Usage:
    return Usage(*map(_whole, _pair(value)))


def _taken(value: object) -> str | int:
    return value if isinstance(value, str) else _whole(value)


_READERS: Mapping[str, Callable[[object], Any]] = {
    "id": _whole,
    "parent": _optional(_whole),
    "kind": _one_of(get_args(SpanKind)),
    "name": _text,
    "predictor": _text,
    "node": _text,
    "indices": _list_of(_whole),
    "inputs": _object,
    "output": _any,
    "error": _text,
    "sources": _list_of(_whole),
    "controls": _list_of(_whole),
    "messages": _list_of(_message),
    "reply": _text,
    "repairs": _list_of(_text),
    "finish_reason": _text,
    "parameters": _list_of(_text),
    "asked": _text,
    "model": _text,
    "usage": _optional(_usage),
    "cost": _optional(_number),
    "started": _number,
    "seconds": _number,
    "cached": _flag,
    "taken": _optional(_taken),
    "where": _text,
}
