"""Traces as JSON lines, written to and read from open streams.

Each line is one trace: ``{"format": "treadle/trace", "version": 1, "program": …, "spans": […]}``. Keys are taken out of
every text on the way out. What comes in was written by anybody: it is checked field by field.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NoReturn, TextIO, cast, get_args

from treadle.compiler.canonical import JSON
from treadle.compiler.errors import DataError
from treadle.compiler.lm.protocol import Message, Role, Usage
from treadle.compiler.redact import redact
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
    return Trace(program=_text(data["program"], ".program"), spans=read)


# --- out -------------------------------------------------------------------------------------------------------------


def _line(trace: Trace) -> str:
    data = _redacted(trace_to_json(trace))
    try:
        return json.dumps(data, allow_nan=False, separators=(",", ":"))
    except ValueError:  # a NaN in a value of the user's
        return json.dumps(_finite(data), allow_nan=False, separators=(",", ":"))


def _span_to_json(span: Span) -> dict[str, JSON]:
    data: dict[str, JSON] = {}
    for field in dataclasses.fields(Span):
        value = getattr(span, field.name)
        if field.name in _ALWAYS or not _is_default(field, value):
            data[field.name] = _WRITERS.get(field.name, _same)(value)
    return data


_ALWAYS = ("id", "parent", "kind", "name")


def _is_default(field: dataclasses.Field[Any], value: object) -> bool:
    default = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
    return bool(value == default)


def _same(value: Any) -> JSON:
    return list(value) if isinstance(value, tuple) else cast(JSON, value)


_WRITERS: Mapping[str, Callable[[Any], JSON]] = {
    "messages": lambda messages: [[message.role, message.content] for message in messages],
    "usage": lambda usage: [usage.input_tokens, usage.output_tokens],
}


def _redacted(value: JSON) -> JSON:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {redact(key): _redacted(item) for key, item in value.items()}
    return [_redacted(item) for item in value] if isinstance(value, list | tuple) else value


def _finite(value: JSON) -> JSON:
    """The value with every NaN and infinity as a text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list) else value


# --- in --------------------------------------------------------------------------------------------------------------


def _document(line: str) -> object:
    return json.loads(line, parse_constant=_constant)


def _constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a JSON number")


def _refuse(where: str, what: str) -> NoReturn:
    raise DataError(f"at ${where}: {what}" if where else what)


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
    fields = {name: _READERS[name](value, f"{where}.{name}") for name, value in data.items()}
    span = Span(**fields)
    if span.id != number or not _parent_fits(span.parent, number):
        _refuse(where, "its id is not its place, or its parent does not stand before it")
    if any(not 0 <= other < count for other in (*span.sources, *span.controls)):
        _refuse(where, "its sources or controls are not spans of the trace")
    return span


def _parent_fits(parent: int | None, number: int) -> bool:
    return parent is None if number == 0 else parent is not None and 0 <= parent < number


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        _refuse(where, "it is not a text")
    return value


def _number(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        _refuse(where, "it is not a number")
    if isinstance(value, int):
        return _whole(value, where)
    if not math.isfinite(value):
        _refuse(where, "it is too large a number")
    return value


def _whole(value: object, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        _refuse(where, "it is not a whole number")
    if abs(value) > _LARGEST:
        _refuse(where, "it is too large a number")
    return value


def _flag(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        _refuse(where, "it is not true or false")
    return value


def _object(value: object, where: str) -> Mapping[str, JSON]:
    if not isinstance(value, Mapping):
        _refuse(where, "it is not an object")
    return value


def _any(value: object, where: str) -> JSON:
    return cast(JSON, value)


def _optional(read: Callable[[object, str], Any]) -> Callable[[object, str], Any]:
    return lambda value, where: None if value is None else read(value, where)


def _list_of(read: Callable[[object, str], Any]) -> Callable[[object, str], Any]:
    def read_all(value: object, where: str) -> tuple[Any, ...]:
        if not isinstance(value, list):
            _refuse(where, "it is not a list")
        return tuple(read(item, f"{where}[{index}]") for index, item in enumerate(value))

    return read_all


def _one_of(allowed: tuple[str, ...]) -> Callable[[object, str], Any]:
    def read(value: object, where: str) -> str:
        if value not in allowed:
            _refuse(where, f"it is not one of {', '.join(allowed)}")
        return value

    return read


def _pair(value: object, where: str) -> tuple[Any, Any]:
    if not isinstance(value, list) or len(value) != 2:
        _refuse(where, "it is not a pair")
    return value[0], value[1]


def _message(value: object, where: str) -> Message:
    role, content = _pair(value, where)
    return Message(_one_of(get_args(Role))(role, where), _text(content, where))


def _usage(value: object, where: str) -> Usage:
    return Usage(*(_whole(tokens, where) for tokens in _pair(value, where)))


def _taken(value: object, where: str) -> str | int:
    return value if isinstance(value, str) else _whole(value, where)


_READERS: Mapping[str, Callable[[object, str], Any]] = {
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
    "model": _text,
    "usage": _optional(_usage),
    "cost": _optional(_number),
    "seconds": _number,
    "cached": _flag,
    "taken": _optional(_taken),
    "where": _text,
}
