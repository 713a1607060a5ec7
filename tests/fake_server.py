"""A fake provider on loopback: OpenAI's chat completions, with latency, faults and counters on request.

In a test, in a thread of its own::

    with FakeServer(reply=lambda request: "yes", faults=[Fault("429", retry_after=1)]) as server:
        ...                                # talk to server.base_url
        assert server.counters().requests == 2

As a process of its own, for benchmarks and for tests that kill (``FakeServerProcess`` wraps this)::

    python -m tests.fake_server --latency-ms 50      # prints {"port": ...}; serves until stdin closes or SIGTERM

A process is steered over HTTP: ``GET /_counters``; ``POST /_faults`` with a list of faults (replaces the old ones);
``POST /_reset`` with settings to change, or nothing (clears counters, log and faults, and arms the gate again).

What happens to a request, in this order: it is counted; over the ceiling it gets 429 at once; the first fault in the
list that fits takes it; the reply is made, and billed, although it may never arrive whole (providers bill a client
that hangs up, too); it waits for the gate, then for its latency; it is sent. Requests of one connection are answered
one after the other. Nothing depends on the order in which different requests arrive, except a fault with ``times``:
chance is drawn from the seed, the body, and how often that body has come before.

The protocol is written by hand because benchmarks measure clients against this server: a web framework would cost
more than the client it is to measure.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import importlib
import json
import math
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field, replace
from email.utils import formatdate
from hashlib import blake2b
from pathlib import Path
from statistics import NormalDist
from types import TracebackType
from typing import Any, Literal, TypeAlias, TypeVar, cast, get_args

# Any: JSON from outside. Reply functions look into it freely; a wrong look fails the test that wrote it.
JsonObject: TypeAlias = dict[str, Any]
ReplyFunction: TypeAlias = Callable[[JsonObject], "str | JsonObject"]
T = TypeVar("T")

Kind = Literal[
    "ok",  # no fault: lets a request through to the reply
    "400", "401", "403", "404", "429", "500", "502", "503", "529",  # that status; 401 echoes the Authorization header
    "context_length",  # 400 with the code context_length_exceeded
    "timeout",  # answers after `seconds`, or never
    "drop",  # closes the connection before the headers
    "half_body",  # closes it in the middle of the body
    "html", "empty", "non_json",  # 200 with another body
    "deep_body",  # 200 whose body is JSON nested `size` deep
    "no_choices", "null_content", "no_usage",  # 200 with a part missing
    "length",  # half the text, finish_reason "length"
    "content_filter",  # no text, finish_reason "content_filter"
    "surrogate", "nul",  # the text ends in a lone surrogate (escaped), in a NUL
    "huge",  # a text of `size` bytes
    "deep",  # a text that is JSON nested `size` deep
]  # fmt: skip

_KINDS: frozenset[str] = frozenset(get_args(Kind))
_SIZES = {"huge": 20_000_000, "deep": 100_000, "deep_body": 100_000}
_ERRORS: dict[str, tuple[int, str, str, str]] = {  # kind: status, type, code, message
    "400": (400, "invalid_request_error", "invalid_value", "Invalid value."),
    "401": (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided: {authorization}."),
    "403": (403, "permission_error", "forbidden", "This key may not use this model."),
    "404": (404, "invalid_request_error", "model_not_found", "The model does not exist."),
    "429": (429, "rate_limit_error", "rate_limit_exceeded", "Rate limit reached."),
    "500": (500, "server_error", "internal_error", "The server had an error."),
    "502": (502, "server_error", "bad_gateway", "Bad gateway."),
    "503": (503, "server_error", "unavailable", "The engine is overloaded."),
    "529": (529, "overloaded_error", "overloaded", "Overloaded."),
    "context_length": (
        400, "invalid_request_error", "context_length_exceeded",
        "This model's maximum context length is 8192 tokens. However, your messages resulted in more.",
    ),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What to do to which requests. A list of them is a script: the first that fits a request takes it.

    Attributes:
        kind: What happens; see ``Kind``.
        times: How many requests it takes before it is used up; None: never used up.
        probability: Chance that a request which fits otherwise is taken.
        contains: Text that must occur in the request body, as sent.
        where: A condition on the request; cannot be sent to another process.
        retry_after: Value of the Retry-After header of an error: seconds, or a text sent as it is (see ``http_date``).
        code: Replaces the error code, e.g. by "insufficient_quota".
        seconds: Delay of "timeout" in seconds; None: never answered.
        size: Bytes of "huge" (default 20 million), depth of "deep" and "deep_body" (default 100,000).
    """

    kind: Kind = field(kw_only=False)
    times: int | None = 1
    probability: float = 1.0
    contains: str = ""
    where: Callable[[JsonObject], bool] | None = None
    retry_after: float | str | None = None
    code: str | None = None
    seconds: float | None = None
    size: int | None = None

    def __post_init__(self) -> None:
        """Refuse a kind that does not exist: it may come from another process."""
        if self.kind not in _KINDS:
            raise ValueError(f"no fault is called {self.kind!r}; there are {', '.join(sorted(_KINDS))}")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the server behaves when nothing goes wrong.

    Attributes:
        latency_ms: Mean time from request to reply, in milliseconds.
        latency_cv: Coefficient of variation of a lognormal latency; 0: constant.
        seed: Of latencies and of faults with a probability.
        usage: Whether replies say their usage. It is billed in the counters either way.
        ceiling: How many requests are admitted at a time; the others get 429. None: all.
        ceiling_retry_after: Retry-After of those 429, in seconds.
        gate: Replies are held until so many requests are in flight, once; None: not held.
        gate_timeout: Seconds after which the gate opens all the same, and ``gate_timeouts`` is counted.
    """

    latency_ms: float = 0.0
    latency_cv: float = 0.0
    seed: int = 0
    usage: bool = True
    ceiling: int | None = None
    ceiling_retry_after: float = 1.0
    gate: int | None = None
    gate_timeout: float = 10.0


@dataclass(frozen=True, kw_only=True)
class Counters:
    """What the server saw since it started or was reset. Only chat completion requests count.

    Attributes:
        requests: All of them.
        faults: Requests by the kind of fault that took them; also "ceiling", and "bad_request" for a malformed body.
        in_flight: Admitted and not answered yet.
        peak_in_flight: The most of those at a time.
        mean_in_flight: Their mean over the time from the first request to the last arrival or departure.
        abandoned: Requests whose client hung up before the answer.
        connections: Connections that carried at least one request under ``/v1``.
        bodies: How often each request body came, by its hash (``body_hash``).
        prompt_tokens: Billed; a token is four bytes.
        completion_tokens: Billed.
        gate_timeouts: How often the gate opened because it had waited too long.
    """

    requests: int
    faults: dict[str, int]
    in_flight: int
    peak_in_flight: int
    mean_in_flight: float
    abandoned: int
    connections: int
    bodies: dict[str, int]
    prompt_tokens: int
    completion_tokens: int
    gate_timeouts: int

    @property
    def repeats(self) -> int:
        """How many requests were the same, byte for byte, as an earlier one."""
        return self.requests - len(self.bodies)


@dataclass(frozen=True)
class Logged:
    """A chat completion request as it came. Header names are in lower case; nothing is left out."""

    headers: dict[str, str]
    body: bytes


def http_date(epoch_seconds: float) -> str:
    """Write a time as HTTP does: a Retry-After that is a date."""
    return formatdate(epoch_seconds, usegmt=True)


def body_hash(body: bytes) -> str:
    """Return the key of a request body in ``Counters.bodies``."""
    return blake2b(body, digest_size=16).hexdigest()


def tokens(text: str) -> int:
    """Count the tokens of a text by this server's rule: four bytes of UTF-8 each, rounded up."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // 4)


def prompt_tokens(request: JsonObject) -> int:
    """Count the tokens of a request: its messages' texts, one after the other."""
    texts: list[str] = []
    for message in request.get("messages") or ():
        content = message.get("content") or ""
        texts.extend([content] if isinstance(content, str) else [part.get("text", "") for part in content])
    return tokens("".join(texts))


def lognormal(mean: float, cv: float, quantile: float) -> float:
    """Return the given quantile of the lognormal distribution with this mean and coefficient of variation."""
    if cv == 0.0:
        return mean
    variance = math.log1p(cv * cv)
    return mean * math.exp(math.sqrt(variance) * NormalDist().inv_cdf(quantile) - variance / 2)


def default_reply(request: JsonObject) -> str:
    """Answer "ok", or the plainest JSON that fits the request's response_format."""
    response_format = request.get("response_format") or {}
    if response_format.get("type") == "json_schema":
        schema = response_format["json_schema"]["schema"]
        return json.dumps(plainest(schema, schema))
    return "{}" if response_format.get("type") == "json_object" else "ok"


def plainest(schema: JsonObject, root: JsonObject, path: tuple[str, ...] = ()) -> object:
    """Return the plainest value of a JSON schema (the subset providers accept; no patterns).

    Args:
        schema: The schema, or a part of it.
        root: The whole, which ``$ref`` points into.
        path: References being followed.

    Raises:
        ValueError: Every value of the schema would be infinite.
    """
    if "$ref" in schema:
        reference: str = schema["$ref"]
        if reference in path:
            raise ValueError(f"{reference} contains itself")
        target = root
        for name in reference.removeprefix("#").strip("/").split("/"):
            target = target[name] if name else target
        return plainest(target, root, (*path, reference))
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    if options := schema.get("anyOf") or schema.get("oneOf"):
        for option in options:
            with contextlib.suppress(ValueError):  # a type that contains itself: another option ends it
                return plainest(option, root, path)
        raise ValueError("every option contains itself")
    if "allOf" in schema:
        return plainest({name: value for part in schema["allOf"] for name, value in part.items()}, root, path)
    return _plainest_of_type(schema, root, path)


def _plainest_of_type(schema: JsonObject, root: JsonObject, path: tuple[str, ...]) -> object:
    """Return the plainest value of a schema that says its type."""
    kind = schema.get("type", "object" if "properties" in schema else "null")
    match kind if isinstance(kind, str) else kind[0]:
        case "object":
            properties: JsonObject = schema.get("properties", {})
            return {name: plainest(properties.get(name, {}), root, path) for name in schema.get("required", ())}
        case "array":
            items = [plainest(item, root, path) for item in schema.get("prefixItems", ())]
            while len(items) < schema.get("minItems", 0):
                items.append(plainest(schema.get("items", {}), root, path))
            return items
        case "string":
            formats = {"date": "2000-01-01", "time": "00:00:00Z", "date-time": "2000-01-01T00:00:00Z",
                       "uuid": "00000000-0000-4000-8000-000000000000"}  # fmt: skip
            return formats.get(schema.get("format", ""), "x" * schema.get("minLength", 0))
        case "integer" | "number":
            return _plainest_number(schema)
        case "boolean":
            return False
        case _:
            return None


def _plainest_number(schema: JsonObject) -> float:
    """Return 0, or else a bound, its neighbour or the middle: the first that is within the bounds."""
    low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    above, below = schema.get("exclusiveMinimum", -math.inf), schema.get("exclusiveMaximum", math.inf)
    bottom, top = max(low, above), min(high, below)
    candidates: tuple[float, ...] = (0, bottom, top, bottom + 1, top - 1, (bottom + top) / 2)
    return next((n for n in candidates if low <= n <= high and above < n < below), 0)


_encode = json.JSONEncoder(separators=(",", ":")).encode


def _http(status: int, body: bytes, *, headers: str = "", content_type: str = "application/json") -> bytes:
    """Build an HTTP response."""
    reason = http.client.responses.get(status, "Overloaded")
    head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: {content_type}\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    return head.encode("latin-1") + body


def _error(status: int, message: str, *, kind: str = "invalid_request_error", code: str = "",
           retry_after: float | str | None = None) -> bytes:  # fmt: skip
    """Build an error response in OpenAI's shape."""
    error = {"message": message, "type": kind, "param": None, "code": code}
    wait = retry_after if isinstance(retry_after, str | None) else f"{retry_after:g}"
    headers = "" if wait is None else f"Retry-After: {wait}\r\n"
    return _http(status, _encode({"error": error}).encode(), headers=headers)


@dataclass(frozen=True, slots=True)
class _Request:
    """An HTTP request; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class _Answer:
    """What goes out, after how many seconds (None: never), and whether the connection closes then."""

    data: bytes
    delay: float | None = 0.0
    close: bool = False


@dataclass(slots=True)
class _Live:
    """A fault in force: its place in the list, and how many requests it will still take."""

    number: int
    fault: Fault
    left: float


class _Provider:
    """The provider's behaviour and books. Lives on the loop's thread; touched from nowhere else while that runs."""

    def __init__(self, reply: ReplyFunction, settings: Settings, faults: Sequence[Fault], keep_log: bool) -> None:
        self.connections: set[_Connection] = set()
        self.errors: list[Exception] = []
        self.log: list[Logged] = []
        self._reply = reply
        self._settings = settings
        self._keep_log = keep_log
        self._in_flight = 0
        self._held: dict[_Connection, _Answer] = {}
        self._gate_timer: asyncio.TimerHandle | None = None
        self._clear()
        self.set_faults(faults)

    def set_faults(self, faults: Sequence[Fault]) -> None:
        """Replace the faults."""
        left = (math.inf if fault.times is None else fault.times for fault in faults)
        self._faults = [_Live(n, fault, times) for n, (fault, times) in enumerate(zip(faults, left, strict=True))]

    def reset(self, changes: JsonObject) -> None:
        """Change settings, clear books and faults, arm the gate; requests in flight stay and are released."""
        self._settings = replace(self._settings, **changes)
        self._open_gate()
        self._clear()
        self.set_faults(())

    def _clear(self) -> None:
        self._requests = self._abandoned = self._connected = self._gate_timeouts = 0
        self._billed_prompt = self._billed_completion = 0
        self._peak = self._in_flight
        self._area = 0.0
        self._first: float | None = None
        self._last = 0.0
        self._taken: Counter[str] = Counter()
        self._bodies: Counter[bytes] = Counter()
        self._gate_open = self._settings.gate is None
        self.log.clear()

    def counters(self) -> Counters:
        """Copy the books."""
        return Counters(
            requests=self._requests,
            faults=dict(self._taken),
            in_flight=self._in_flight,
            peak_in_flight=self._peak,
            mean_in_flight=self._area / (self._last - self._first) if self._first not in (None, self._last) else 0.0,
            abandoned=self._abandoned,
            connections=self._connected,
            bodies={digest.hex(): count for digest, count in self._bodies.items()},
            prompt_tokens=self._billed_prompt,
            completion_tokens=self._billed_completion,
            gate_timeouts=self._gate_timeouts,
        )

    def connected(self) -> None:
        """Count a connection that sent its first request under /v1."""
        self._connected += 1

    def arrive(self, connection: _Connection, request: _Request) -> None:
        """Take in a chat completion request: decide on its answer and hand that to the connection, now or later."""
        self._requests += 1
        digest = blake2b(request.body, digest_size=16).digest()
        self._bodies[digest] += 1
        if self._keep_log:
            self.log.append(Logged(request.headers, request.body))
        settings = self._settings
        if settings.ceiling is not None and self._in_flight >= settings.ceiling:
            self._taken["ceiling"] += 1
            status, kind, code, message = _ERRORS["429"]
            data = _error(status, message, kind=kind, code=code, retry_after=settings.ceiling_retry_after)
            connection.answer(_Answer(data), counted=False)
            return
        self._move(1)
        answer = self._decide(request, digest)
        if self._gate_open:
            connection.answer(answer)
            return
        self._held[connection] = answer
        if self._in_flight >= (settings.gate or 0):
            self._open_gate()
        elif self._gate_timer is None:
            loop = asyncio.get_running_loop()
            self._gate_timer = loop.call_later(settings.gate_timeout, self._gate_timed_out)

    def leave(self, connection: _Connection, *, abandoned: bool = False) -> None:
        """Note that an admitted request was answered, or that its client hung up."""
        self._held.pop(connection, None)
        self._abandoned += abandoned
        self._move(-1)

    def _move(self, step: int) -> None:
        """Change the number in flight, and add to the area under it."""
        now = asyncio.get_running_loop().time()
        if self._first is None:
            self._first = now
        else:
            self._area += self._in_flight * (now - self._last)
        self._last = now
        self._in_flight += step
        self._peak = max(self._peak, self._in_flight)

    def _gate_timed_out(self) -> None:
        self._gate_timeouts += 1
        self._open_gate()

    def _open_gate(self) -> None:
        self._gate_open = True
        if self._gate_timer is not None:
            self._gate_timer.cancel()
            self._gate_timer = None
        held, self._held = self._held, {}
        for connection, answer in held.items():
            connection.answer(answer)

    def close(self) -> None:
        """Drop every connection."""
        if self._gate_timer is not None:
            self._gate_timer.cancel()
        for connection in self.connections:
            connection.abort()

    def _decide(self, request: _Request, digest: bytes) -> _Answer:
        """Work out the answer to an admitted request."""
        delay = self._settings.latency_ms / 1000
        if self._settings.latency_cv:
            delay = lognormal(delay, self._settings.latency_cv, self._chance("latency", digest))
        try:
            question = json.loads(request.body)
            if not isinstance(question, dict) or not isinstance(cast(JsonObject, question).get("messages"), list):
                raise ValueError("no messages")
            if cast(JsonObject, question).get("stream"):
                raise ValueError("this server does not stream")
        except (ValueError, RecursionError) as error:
            self._taken["bad_request"] += 1
            return _Answer(_error(400, f"The body is no chat completion request: {error}"), delay)
        try:
            fault = self._fault(question, request.body, digest)
            return self._answer(question, request, digest, fault, delay)
        except Exception as error:  # the test's own function; raised again when the server closes
            self.errors.append(error)
            return _Answer(_error(500, f"The reply function failed: {error!r}"), delay)

    def _fault(self, question: JsonObject, body: bytes, digest: bytes) -> Fault:
        """Find the fault that takes this request, and use it up once."""
        for live in self._faults:
            fault = live.fault
            if fault.contains and fault.contains.encode() not in body:
                continue
            if fault.where is not None and not fault.where(question):
                continue
            if fault.probability < 1 and self._chance(f"fault {live.number}", digest) >= fault.probability:
                continue
            live.left -= 1
            if live.left <= 0:
                self._faults.remove(live)
            if fault.kind != "ok":
                self._taken[fault.kind] += 1
            return fault
        return _OK

    def _chance(self, what: str, digest: bytes) -> float:
        """Draw from (0, 1) for this body at this occurrence of it."""
        key = f"{self._settings.seed} {what} {self._bodies[digest]} ".encode()
        return (int.from_bytes(blake2b(key + digest, digest_size=6).digest(), "big") + 0.5) / 2**48

    def _answer(self, question: JsonObject, request: _Request, digest: bytes, fault: Fault, delay: float) -> _Answer:
        """Work out the answer under a fault."""
        kind = fault.kind
        if kind in _ERRORS:
            status, error_type, code, message = _ERRORS[kind]
            message = message.format(authorization=request.headers.get("authorization", ""))
            data = _error(status, message, kind=error_type, code=fault.code or code, retry_after=fault.retry_after)
            return _Answer(data, delay)
        size = fault.size if fault.size is not None else _SIZES.get(kind, 0)
        match kind:
            case "drop":
                return _Answer(b"", delay, close=True)
            case "html":
                page = b"<!doctype html><title>Sign in</title><p>Sign in to the network.</p>"
                return _Answer(_http(200, page, content_type="text/html"), delay)
            case "empty":
                return _Answer(_http(200, b""), delay)
            case "non_json":
                return _Answer(_http(200, b"upstream connect error"), delay)
            case "deep_body":
                return _Answer(_http(200, b'{"choices":' + b"[" * size + b"]" * size + b"}"), delay)
            case _:
                body = _encode(self._completion(question, digest, fault, size)).encode()
        data = _http(200, body)
        if kind == "half_body":
            return _Answer(data[: len(data) - (len(body) + 1) // 2], delay, close=True)
        return _Answer(data, fault.seconds if kind == "timeout" else delay)

    def _completion(self, question: JsonObject, digest: bytes, fault: Fault, size: int) -> JsonObject:
        """Make the reply and bill it."""
        reply = self._reply(question)
        parts: JsonObject = {"content": reply} if isinstance(reply, str) else dict(reply)
        content, finish = _spoil(parts.pop("content", ""), parts.pop("finish_reason", "stop"), fault.kind, size)
        message = {"role": "assistant", "content": content, **parts.pop("message", {})}
        answers = question.get("n") or 1
        prompt, completion = prompt_tokens(question), tokens(content or "") * answers
        usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
        response: JsonObject = {
            "id": f"chatcmpl-{digest.hex()}",
            "object": "chat.completion",
            "created": 0,
            "model": question.get("model", "fake"),
            "choices": [{"index": n, "message": message, "finish_reason": finish} for n in range(answers)],
            "usage": usage,
            **parts,
        }
        said = response["usage"] or usage
        self._billed_prompt += said.get("prompt_tokens", 0)
        self._billed_completion += said.get("completion_tokens", 0)
        if fault.kind == "no_choices":
            response["choices"] = []
        if fault.kind == "no_usage" or not self._settings.usage:
            del response["usage"]
        return response


_OK = Fault("ok")


def _spoil(content: str | None, finish: str, kind: str, size: int) -> tuple[str | None, str]:
    """Apply a fault of the text to content and finish reason."""
    text = content or ""
    match kind:
        case "length":
            return text[: len(text) // 2], "length"
        case "content_filter":
            return "", "content_filter"
        case "null_content":
            return None, finish
        case "surrogate":
            return text + "\ud800", finish
        case "nul":
            return text + "\0", finish
        case "huge":
            return "x" * size, finish
        case "deep":
            return "[" * size + "]" * size, finish
        case _:
            return content, finish


class _Connection(asyncio.Protocol):
    """HTTP/1.1 with keep-alive. Requests may come in any pieces or many at once; one is answered at a time."""

    def __init__(self, provider: _Provider) -> None:
        self._provider = provider
        self._buffer = bytearray()
        self._head: tuple[str, str, dict[str, str]] | None = None  # of the request whose body is coming in
        self._body_start = self._end = 0  # of that request, in the buffer
        self._busy = False  # a request waits for its answer
        self._counted = False  # and the provider counts it as in flight
        self._advancing = False
        self._known = False  # has sent a request under /v1
        self._close_after = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Join the provider's connections."""
        self._transport = cast(asyncio.Transport, transport)
        self._provider.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave; a request that waits for its answer is abandoned."""
        self._provider.connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._busy and self._counted:
            self._provider.leave(self, abandoned=True)
        self._busy = False

    def abort(self) -> None:
        """Close at once, whatever is in flight."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take in bytes, and every request they complete."""
        self._buffer += data
        self._advance()

    def _advance(self) -> None:
        """Route requests from the buffer until one has to wait. An answer given meanwhile just lets the loop go on."""
        if self._advancing:
            return
        self._advancing = True
        while not self._busy and not self._transport.is_closing() and (request := self._take()) is not None:
            self._busy = True
            self._route(request)
        self._advancing = False

    def _take(self) -> _Request | None:
        """Cut the next request off the buffer, if it is all there."""
        if self._head is None and not self._read_head():
            return None
        if self._head is None or len(self._buffer) < self._end:
            return None
        method, path, headers = self._head
        request = _Request(method, path, headers, bytes(memoryview(self._buffer)[self._body_start : self._end]))
        del self._buffer[: self._end]
        self._head = None
        return request

    def _read_head(self) -> bool:
        """Read request line and headers; False if they are not there yet or no good."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False if len(self._buffer) < 2**16 else self._refuse(431, "The headers are too long.")
        first, *lines = self._buffer[:end].decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        words = first.split(" ")
        length = headers.get("content-length", "0")
        if len(words) != 3 or not length.isdecimal():
            return self._refuse(400, "This is no HTTP request.")
        if "transfer-encoding" in headers:
            return self._refuse(411, "Content-Length is required.")
        self._head = (words[0], words[1].partition("?")[0], headers)
        self._close_after = headers.get("connection", "").lower() == "close"
        self._body_start = end + 4
        self._end = self._body_start + int(length)
        if "expect" in headers:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def _refuse(self, status: int, message: str) -> bool:
        """Answer what cannot be parsed, and close."""
        self._transport.write(_error(status, message))
        self._transport.close()
        return False

    def _route(self, request: _Request) -> None:
        if not self._known and request.path.startswith("/v1/"):
            self._known = True
            self._provider.connected()
        match request.method, request.path:
            case "POST", "/v1/chat/completions":
                self._counted = True
                self._provider.arrive(self, request)
            case "GET", "/v1/models":
                models = [{"id": "fake", "object": "model", "created": 0, "owned_by": "tests"}]
                self._say({"object": "list", "data": models})
            case "GET", "/_counters":
                self._say(asdict(self._provider.counters()))
            case "POST", "/_faults" | "/_reset":
                self._control(request)
            case _:
                self.answer(_Answer(_error(404, f"Nothing is at {request.path}.")), counted=False)

    def _control(self, request: _Request) -> None:
        """Set faults, or reset, from another process."""
        try:
            given = json.loads(request.body or b"{}")
            if request.path == "/_reset":
                self._provider.reset(given)
            else:
                self._provider.set_faults([Fault(**one) for one in given])
        except (TypeError, ValueError) as error:
            self.answer(_Answer(_error(400, str(error))), counted=False)
        else:
            self._say({"ok": True})

    def _say(self, value: JsonObject) -> None:
        self.answer(_Answer(_http(200, _encode(value).encode())), counted=False)

    def answer(self, answer: _Answer, *, counted: bool = True) -> None:
        """Send the answer to the waiting request, after its delay; not counted: it is not in flight for the books."""
        self._counted = counted
        if answer.delay is None:
            return
        if answer.delay > 0:
            self._timer = asyncio.get_running_loop().call_later(answer.delay, self._send, answer)
        else:
            self._send(answer)

    def _send(self, answer: _Answer) -> None:
        self._timer = None
        self._busy = False
        if self._counted:
            self._provider.leave(self)
        self._transport.write(answer.data)
        if answer.close or self._close_after:
            self._transport.close()
        else:
            self._advance()


def _listen(port: int) -> socket.socket:
    """Open the listening socket; connections queue in it until the loop runs."""
    return socket.create_server(("127.0.0.1", port), backlog=4096)


async def _serve(listening: socket.socket, provider: _Provider, stop: asyncio.Event) -> None:
    """Serve until told to stop; leave nothing open."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(provider), sock=listening, backlog=4096)
    async with server:
        await stop.wait()
        server.close()
        while provider.connections:
            provider.close()
            await asyncio.sleep(0)


class FakeServer:
    """The server in a thread of this process, for the length of a ``with`` block.

    When the block ends well, an error that the reply function, or a fault's ``where``, raised is raised again.
    """

    def __init__(
        self,
        reply: ReplyFunction = default_reply,
        *,
        faults: Sequence[Fault] = (),
        keep_log: bool = False,
        port: int = 0,
        latency_ms: float = 0.0,
        latency_cv: float = 0.0,
        seed: int = 0,
        usage: bool = True,
        ceiling: int | None = None,
        ceiling_retry_after: float = 1.0,
        gate: int | None = None,
        gate_timeout: float = 10.0,
    ) -> None:
        """Set up; the server starts with the ``with`` block.

        Args:
            reply: From the request to the text of the reply, or to a dict: "content", "finish_reason" and "message" (a
                dict) change the choice, other keys the response itself. It runs once a request, on the server's thread.
            faults: See ``Fault``.
            keep_log: Whether ``log`` keeps the requests.
            port: 0 takes a free one.
            latency_ms: This and the rest: see ``Settings``.
            latency_cv: See there.
            seed: See there.
            usage: See there.
            ceiling: See there.
            ceiling_retry_after: See there.
            gate: See there.
            gate_timeout: See there.
        """
        settings = Settings(
            latency_ms=latency_ms, latency_cv=latency_cv, seed=seed, usage=usage, ceiling=ceiling,
            ceiling_retry_after=ceiling_retry_after, gate=gate, gate_timeout=gate_timeout,
        )  # fmt: skip
        self.port = port
        self._provider = _Provider(reply, settings, faults, keep_log)
        self._thread: threading.Thread | None = None

    @property
    def base_url(self) -> str:
        """What a client is given: ends in ``/v1``."""
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> FakeServer:
        """Start serving."""
        listening = _listen(self.port)
        self.port = listening.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, args=(listening,), name="fake server", daemon=True)
        self._thread.start()
        return self

    def _run(self, listening: socket.socket) -> None:
        try:
            self._loop.run_until_complete(_serve(listening, self._provider, self._stop))
        finally:
            self._loop.close()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Stop; connections still open are dropped. Counters and log stay readable."""
        self._loop.call_soon_threadsafe(self._stop.set)
        if self._thread is not None:
            self._thread.join()
        if kind is None and self._provider.errors:
            raise self._provider.errors[0]

    def _ask(self, action: Callable[[], T]) -> T:
        """Run something on the server's thread; here, if this is it or it has ended."""
        thread = self._thread
        if thread is None or not thread.is_alive() or thread is threading.current_thread():
            return action()
        done: Future[T] = Future()

        def act() -> None:
            try:
                done.set_result(action())
            except Exception as error:
                done.set_exception(error)

        self._loop.call_soon_threadsafe(act)
        return done.result(timeout=60)

    def counters(self) -> Counters:
        """What the server has seen."""
        return self._ask(self._provider.counters)

    @property
    def log(self) -> list[Logged]:
        """The requests so far, if ``keep_log``."""
        return self._ask(lambda: list(self._provider.log))

    def set_faults(self, *faults: Fault) -> None:
        """Replace the faults."""
        self._ask(lambda: self._provider.set_faults(faults))

    def reset(self, **changes: float | None) -> None:
        """Clear counters, log and faults, arm the gate, and change the given ``Settings``."""
        self._ask(lambda: self._provider.reset(changes))


class FakeServerProcess:
    """The server in a process of its own, for the length of a ``with`` block; same methods as ``FakeServer``.

    It ends with its parent, however that ends: its standard input closes then.
    """

    def __init__(self, *arguments: str) -> None:
        """Set up with the command line's arguments, e.g. ``"--latency-ms", "50"``."""
        self._arguments = arguments
        self.port = 0

    @property
    def base_url(self) -> str:
        """What a client is given: ends in ``/v1``."""
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> FakeServerProcess:
        """Start the process and wait until it listens."""
        command = [sys.executable, "-m", "tests.fake_server", *self._arguments]
        root = Path(__file__).resolve().parent.parent
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.__exit__(None, None, None)
            raise RuntimeError(f"the fake server did not start: exit status {self.process.returncode}")
        self.port = json.loads(line)["port"]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Close its standard input, and wait for it to end."""
        try:
            self.process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()

    def _control(self, method: str, path: str, value: object = None) -> JsonObject:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body=None if value is None else json.dumps(value))
            response = connection.getresponse()
            answer = cast(JsonObject, json.loads(response.read()))
        finally:
            connection.close()
        if response.status != 200:
            raise ValueError(answer["error"]["message"])
        return answer

    def counters(self) -> Counters:
        """What the server has seen."""
        return Counters(**self._control("GET", "/_counters"))

    def set_faults(self, *faults: Fault) -> None:
        """Replace the faults; ``where`` cannot be sent."""
        if any(fault.where is not None for fault in faults):
            raise ValueError("a fault with `where` cannot be sent to another process; use `contains`")
        self._control("POST", "/_faults", [asdict(fault) for fault in faults])

    def reset(self, **changes: float | None) -> None:
        """Clear counters and faults, arm the gate, and change the given ``Settings``."""
        self._control("POST", "/_reset", changes)


def _parser() -> argparse.ArgumentParser:
    """Describe the command line: the settings, and what to reply."""
    parser = argparse.ArgumentParser(prog="python -m tests.fake_server", description="A fake provider on loopback.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--latency-cv", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-usage", dest="usage", action="store_false")
    parser.add_argument("--ceiling", type=int)
    parser.add_argument("--ceiling-retry-after", type=float, default=1.0)
    parser.add_argument("--gate", type=int)
    parser.add_argument("--gate-timeout", type=float, default=10.0)
    parser.add_argument("--faults", type=json.loads, default=[], help="a JSON list of faults")
    parser.add_argument("--text", help="reply with this text")
    parser.add_argument("--reply", help="reply with this function, given as module:name")
    return parser


def _reply_function(text: str | None, name: str | None) -> ReplyFunction:
    """Find what to reply with: a text, a function by name, or the default."""
    if text is not None:
        return lambda request: text
    if name is not None:
        module, _, attribute = name.partition(":")
        return cast(ReplyFunction, getattr(importlib.import_module(module), attribute))
    return default_reply


async def _serve_process(listening: socket.socket, provider: _Provider) -> None:
    """Print the port, and serve until standard input closes or a signal asks to end."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def watch() -> None:  # os.read: a thread stuck in sys.stdin would break the exit
        while os.read(0, 4096):
            pass
        with contextlib.suppress(RuntimeError):  # a signal was first, and the loop is closed
            loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=watch, daemon=True).start()
    sys.stdout.write(json.dumps({"port": listening.getsockname()[1]}) + "\n")
    sys.stdout.flush()
    await _serve(listening, provider, stop)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the server as a process."""
    options = vars(_parser().parse_args(arguments))
    reply = _reply_function(options.pop("text"), options.pop("reply"))
    faults = [Fault(**one) for one in options.pop("faults")]
    listening = _listen(options.pop("port"))
    asyncio.run(_serve_process(listening, _Provider(reply, Settings(**options), faults, keep_log=False)))


if __name__ == "__main__":
    main()
