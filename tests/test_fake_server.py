"""The fake provider does what its documentation says; the other network tests build on that."""

import asyncio
import datetime
import email.utils
import json
import math
import os
import signal
import socket
import statistics
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from tests.fake_server import (
    FakeServer,
    FakeServerProcess,
    Fault,
    JsonObject,
    Kind,
    body_hash,
    default_reply,
    http_date,
    lognormal,
    plainest,
    prompt_tokens,
    tokens,
)

Server = FakeServer | FakeServerProcess


def ask(text: str = "hello", **more: Any) -> JsonObject:
    return {"model": "m", "messages": [{"role": "user", "content": text}], **more}


def raw(request: JsonObject | bytes, path: str = "/v1/chat/completions", headers: str = "") -> bytes:
    body = request if isinstance(request, bytes) else json.dumps(request).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Client:
    """A keep-alive connection that shows everything: status, headers, body, and whether the server hung up."""

    def __init__(self, server: Server) -> None:
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=30)
        self.file = self.socket.makefile("rb")

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def receive(self) -> tuple[int, dict[str, str], bytes]:
        first = self.file.readline()
        if not first:
            raise ConnectionError("closed before the headers")
        headers: dict[str, str] = {}
        while line := self.file.readline().strip():
            name, _, value = line.decode().partition(": ")
            headers[name] = value
        return int(first.split()[1]), headers, self.file.read(int(headers["Content-Length"]))

    def post(self, request: JsonObject | bytes, headers: str = "") -> tuple[int, dict[str, str], bytes]:
        self.send(raw(request, headers=headers))
        return self.receive()


def post(server: Server, request: JsonObject | bytes | None = None) -> tuple[int, dict[str, str], bytes]:
    with Client(server) as client:
        return client.post(ask() if request is None else request)


def content(body: bytes) -> Any:
    return json.loads(body)["choices"][0]["message"]["content"]


def until(condition: Callable[[], bool]) -> None:
    for _ in range(10_000):
        if condition():
            return
        time.sleep(0.001)
    raise AssertionError("it never came true")


async def post_all(server: Server, requests: list[JsonObject]) -> list[int]:
    """Post all at once, each over a connection of its own."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def one(request: JsonObject) -> int:
            async with session.post(f"{server.base_url}/chat/completions", json=request) as response:
                await response.read()
                return response.status

        return await asyncio.gather(*(one(request) for request in requests))


# The reply


def test_reply_has_openai_shape() -> None:
    with FakeServer(reply=lambda request: f"to {request['messages'][0]['content']}") as server:
        status, headers, body = post(server, ask("12345"))
    answer = json.loads(body)
    identity = answer.pop("id")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert identity.startswith("chatcmpl-")
    assert answer == {
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "to 12345"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 2, "completion_tokens": 2, "total_tokens": 4},
    }


def test_reply_is_deterministic() -> None:
    bodies: list[bytes] = []
    for _ in range(2):
        with FakeServer() as server:
            bodies += [post(server)[2], post(server)[2]]
    assert len(set(bodies)) == 1


def test_reply_may_override_parts() -> None:
    reply = {"content": "a", "finish_reason": "tool_calls", "message": {"refusal": None}, "model": "other", "extra": 1}
    with FakeServer(reply=lambda request: reply) as server:
        answer = json.loads(post(server)[2])
    choice = answer["choices"][0]
    assert choice["message"] == {"role": "assistant", "content": "a", "refusal": None}
    assert (choice["finish_reason"], answer["model"], answer["extra"]) == ("tool_calls", "other", 1)
    assert answer["usage"]["completion_tokens"] == 1


def test_usage_may_be_overridden_and_is_billed() -> None:
    with FakeServer(reply=lambda request: {"usage": {"prompt_tokens": 70, "completion_tokens": 8}}) as server:
        post(server)
        assert (server.counters().prompt_tokens, server.counters().completion_tokens) == (70, 8)


def test_several_choices() -> None:
    with FakeServer(reply=lambda request: "abcd") as server:
        answer = json.loads(post(server, ask(n=3))[2])
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2]
    assert answer["usage"]["completion_tokens"] == 3


def test_default_reply_follows_response_format() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 3}}, "required": ["n"]}
    assert default_reply(ask()) == "ok"
    assert default_reply(ask(response_format={"type": "json_object"})) == "{}"
    wrapped = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    assert json.loads(default_reply(ask(response_format=wrapped))) == {"n": 3}


TREE = {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}, "required": ["next"]}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, ""),
        ({"type": "string", "minLength": 2}, "xx"),
        ({"type": "string", "format": "date"}, "2000-01-01"),
        ({"type": "boolean"}, False),
        ({"type": "null"}, None),
        ({"type": ["integer", "null"]}, 0),
        ({"type": "number", "exclusiveMinimum": 0}, 1),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, 0.5),
        ({"type": "integer", "maximum": -4}, -4),
        ({"enum": ["b", "a"]}, "b"),
        ({"const": 7}, 7),
        ({"type": "array", "items": {"type": "string"}}, []),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [0, 0]),
        ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]}, [0, ""]),
        ({"type": "object", "properties": {"optional": {"type": "string"}}}, {}),
        ({"anyOf": [{"$ref": "#/$defs/C"}, {"type": "null"}], "$defs": {"C": {"enum": ["red"]}}}, "red"),
        ({"allOf": [{"type": "integer"}, {"minimum": 5}]}, 5),
        (TREE, {"next": {"next": None}}),
        ({}, None),
    ],
)
def test_plainest(schema: JsonObject, value: object) -> None:
    assert plainest(schema, schema) == value


def test_plainest_refuses_an_infinite_type() -> None:
    schema = {"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]}
    with pytest.raises(ValueError, match="contains itself"):
        plainest(schema, schema)


def test_error_in_the_reply_function_reaches_the_test() -> None:
    def reply(request: JsonObject) -> str:
        raise LookupError("no such line in the script")

    def run() -> None:
        with FakeServer(reply=reply) as server:
            answers.append(post(server))

    answers: list[tuple[int, dict[str, str], bytes]] = []
    with pytest.raises(LookupError, match="no such line"):
        run()
    assert answers[0][0] == 500
    assert b"no such line" in answers[0][2]


def test_tokens() -> None:
    assert [tokens(text) for text in ("", "a", "abcd", "abcde", "é" * 4, "\ud800")] == [0, 1, 1, 2, 2, 1]
    parts = [{"type": "text", "text": "cd"}, {"type": "image_url"}]
    assert prompt_tokens({"messages": [{"content": "ab"}, {"content": None}, {"content": parts}]}) == 1


def test_usage_can_be_left_out_but_is_billed() -> None:
    with FakeServer(usage=False) as server:
        assert "usage" not in json.loads(post(server, ask("12345"))[2])
        assert server.counters().prompt_tokens == 2


# HTTP


def test_models() -> None:
    with FakeServer() as server, Client(server) as client:
        client.send(b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n")
        status, _, body = client.receive()
    assert status == 200
    assert json.loads(body)["data"][0]["id"] == "fake"
    assert server.counters().requests == 0


def test_connection_is_kept_alive() -> None:
    with FakeServer() as server:
        with Client(server) as client:
            assert [client.post(ask())[0] for _ in range(3)] == [200] * 3
        assert server.counters().connections == 1
        post(server)
        assert server.counters().connections == 2


@pytest.mark.parametrize("latency_ms", [0, 1])
def test_pipelined_requests_are_answered_in_order(latency_ms: float) -> None:
    with FakeServer(reply=lambda request: request["messages"][0]["content"], latency_ms=latency_ms) as server:
        with Client(server) as client:
            client.send(b"".join(raw(ask(str(n))) for n in range(50)))
            assert [content(client.receive()[2]) for _ in range(50)] == [str(n) for n in range(50)]
        assert server.counters().peak_in_flight == 1


def test_many_pipelined_requests_do_not_pile_up_on_the_stack() -> None:
    with FakeServer() as server, Client(server) as client:
        for _ in range(4):
            client.send(raw(ask()) * 500)
            assert {client.receive()[0] for _ in range(500)} == {200}


def test_request_in_small_pieces() -> None:
    with FakeServer(reply=lambda request: request["messages"][0]["content"]) as server, Client(server) as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in raw(ask("é")):
            client.send(bytes([byte]))
        assert content(client.receive()[2]) == "é"


def test_large_request() -> None:
    text = "x" * 10_000_000
    with FakeServer() as server:
        assert post(server, ask(text))[0] == 200
        assert server.counters().prompt_tokens == 2_500_000


def test_client_may_ask_before_it_sends_the_body() -> None:
    with FakeServer() as server, Client(server) as client:
        head, _, body = raw(ask(), headers="Expect: 100-continue\r\n").partition(b"\r\n\r\n")
        client.send(head + b"\r\n\r\n")
        assert client.file.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert client.file.readline() == b"\r\n"
        client.send(body)
        assert client.receive()[0] == 200


def test_connection_closes_when_the_client_says_so() -> None:
    with FakeServer() as server, Client(server) as client:
        assert client.post(ask(), headers="Connection: close\r\n")[0] == 200
        assert client.file.read() == b""


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (b"x" * 70_000, 431),
    ],
)
def test_what_is_no_http_is_refused(data: bytes, status: int) -> None:
    with FakeServer() as server, Client(server) as client:
        client.send(data)
        assert client.receive()[0] == status
        assert client.file.read() == b""


def test_unknown_path() -> None:
    with FakeServer() as server, Client(server) as client:
        client.send(raw(ask(), path="/v1/completions"))
        assert client.receive()[0] == 404
        assert client.post(ask())[0] == 200


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b"[" * 200_000, b'{"messages": [], "stream": true}'])
def test_what_is_no_chat_request_is_refused(body: bytes) -> None:
    with FakeServer() as server:
        assert post(server, body)[0] == 400
        assert server.counters().faults == {"bad_request": 1}


# Latency


def test_reply_waits_for_its_latency() -> None:
    with FakeServer(latency_ms=3_600_000) as server:
        with Client(server) as client:
            client.send(raw(ask()))
            until(lambda: server.counters().in_flight == 1)
        until(lambda: server.counters().in_flight == 0)
        assert server.counters().abandoned == 1


@pytest.mark.parametrize("cv", [0.0, 0.3])
def test_reply_comes_after_its_latency(cv: float) -> None:
    with FakeServer(latency_ms=1, latency_cv=cv) as server:
        assert asyncio.run(post_all(server, [ask(str(n)) for n in range(20)])) == [200] * 20
        assert server.counters().in_flight == 0


def test_latency_has_the_mean_and_variation_asked_for() -> None:
    values = [lognormal(50, 1.0, (n + 0.5) / 20_000) for n in range(20_000)]
    mean = statistics.fmean(values)
    assert math.isclose(mean, 50, rel_tol=0.01)
    assert math.isclose(statistics.pstdev(values) / mean, 1.0, rel_tol=0.03)
    assert lognormal(50, 0.0, 0.99) == 50


# Faults


@pytest.mark.parametrize("kind", ["400", "403", "404", "429", "500", "502", "503", "529"])
def test_error_status(kind: Kind) -> None:
    with FakeServer(faults=[Fault(kind)]) as server:
        with Client(server) as client:
            status, headers, body = client.post(ask())
            assert client.post(ask())[0] == 200
        assert server.counters().faults == {kind: 1}
        assert server.counters().completion_tokens == 1
    assert status == int(kind)
    assert "Retry-After" not in headers
    assert set(json.loads(body)["error"]) == {"message", "type", "param", "code"}


def test_401_echoes_the_key() -> None:
    with FakeServer(faults=[Fault("401")]) as server, Client(server) as client:
        status, _, body = client.post(ask(), headers="Authorization: Bearer sk-canary\r\n")
    assert status == 401
    assert b"Bearer sk-canary" in body


def test_context_length() -> None:
    with FakeServer(faults=[Fault("context_length")]) as server:
        status, _, body = post(server)
    assert status == 400
    assert json.loads(body)["error"]["code"] == "context_length_exceeded"


@pytest.mark.parametrize(("given", "sent"), [(2, "2"), (0.25, "0.25"), ("later", "later")])
def test_retry_after(given: float | str, sent: str) -> None:
    with FakeServer(faults=[Fault("429", retry_after=given, code="insufficient_quota")]) as server:
        _, headers, body = post(server)
    assert headers["Retry-After"] == sent
    assert json.loads(body)["error"]["code"] == "insufficient_quota"


def test_retry_after_as_a_date() -> None:
    moment = datetime.datetime(2030, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
    with FakeServer(faults=[Fault("503", retry_after=http_date(moment.timestamp()))]) as server:
        _, headers, _ = post(server)
    assert headers["Retry-After"] == "Wed, 02 Jan 2030 03:04:05 GMT"
    assert email.utils.parsedate_to_datetime(headers["Retry-After"]) == moment


def test_timeout_never_answers() -> None:
    with FakeServer(faults=[Fault("timeout")]) as server:
        with Client(server) as client:
            client.send(raw(ask()))
            until(lambda: server.counters().faults == {"timeout": 1})
            assert post(server)[0] == 200
            assert server.counters().in_flight == 1
        until(lambda: server.counters().abandoned == 1)
        assert server.counters().completion_tokens == 2, "a client that hangs up pays, too"


def test_timeout_answers_late() -> None:
    with FakeServer(faults=[Fault("timeout", seconds=0.001)], latency_ms=3_600_000) as server:
        assert content(post(server)[2]) == "ok"


def test_drop() -> None:
    with FakeServer(faults=[Fault("drop")]) as server:
        with pytest.raises(ConnectionError):
            post(server)
        assert post(server)[0] == 200
        assert server.counters().abandoned == 0


def test_drop_ends_what_was_pipelined_behind_it() -> None:
    with FakeServer(faults=[Fault("drop")]) as server:
        with Client(server) as client:
            client.send(raw(ask()) * 2)
            assert client.file.read() == b""
        assert server.counters().requests == 1


def test_half_body() -> None:
    with FakeServer(faults=[Fault("half_body")]) as server:
        with Client(server) as client:
            _, headers, body = client.post(ask())
        assert 0 < len(body) < int(headers["Content-Length"])
        assert server.counters().completion_tokens == 1


def test_half_body_is_a_client_error_in_aiohttp() -> None:
    with FakeServer(faults=[Fault("half_body")]) as server, pytest.raises(aiohttp.ClientPayloadError):
        asyncio.run(post_all(server, [ask()]))


def test_bodies_that_are_no_completion() -> None:
    kinds: list[Kind] = ["html", "empty", "non_json"]
    with FakeServer(faults=[Fault(kind) for kind in kinds]) as server, Client(server) as client:
        html, empty, text = (client.post(ask()) for _ in kinds)
    assert [html[0], empty[0], text[0]] == [200] * 3
    assert html[1]["Content-Type"] == "text/html"
    assert html[2].startswith(b"<!doctype html>")
    assert empty[2] == b""
    with pytest.raises(json.JSONDecodeError):
        json.loads(text[2])


def test_parts_missing() -> None:
    kinds: list[Kind] = ["no_choices", "null_content", "no_usage"]
    with FakeServer(faults=[Fault(kind) for kind in kinds]) as server, Client(server) as client:
        no_choices, null_content, no_usage = (json.loads(client.post(ask())[2]) for _ in kinds)
    assert no_choices["choices"] == []
    assert null_content["choices"][0]["message"] == {"role": "assistant", "content": None}
    assert "usage" not in no_usage
    assert no_usage["choices"]


def test_finish_reasons() -> None:
    faults = [Fault("length"), Fault("content_filter")]
    with FakeServer(reply=lambda request: '{"a": 1}', faults=faults) as server, Client(server) as client:
        length, filtered = (json.loads(client.post(ask())[2])["choices"][0] for _ in faults)
    assert (length["message"]["content"], length["finish_reason"]) == ('{"a"', "length")
    assert (filtered["message"]["content"], filtered["finish_reason"]) == ("", "content_filter")


def test_bad_characters() -> None:
    faults = [Fault("surrogate"), Fault("nul")]
    with FakeServer(faults=faults) as server, Client(server) as client:
        surrogate, nul = (client.post(ask())[2] for _ in faults)
    assert b"ok\\ud800" in surrogate
    assert content(surrogate) == "ok\ud800"
    assert b"\x00" not in nul
    assert content(nul) == "ok\0"


def test_huge_body() -> None:
    with FakeServer(faults=[Fault("huge"), Fault("huge", size=5)]) as server, Client(server) as client:
        assert len(client.post(ask())[2]) > 20_000_000
        assert content(client.post(ask())[2]) == "xxxxx"


def test_deep_json() -> None:
    faults = [Fault("deep"), Fault("deep_body"), Fault("deep", size=3), Fault("deep_body", size=2)]
    with FakeServer(faults=faults) as server, Client(server) as client:
        deep, deep_body, three, two = (client.post(ask())[2] for _ in faults)
    with pytest.raises(RecursionError):
        json.loads(content(deep))
    with pytest.raises(RecursionError):
        json.loads(deep_body)
    assert content(three) == "[[[]]]"
    assert json.loads(two) == {"choices": [[]]}


# Which requests a fault takes


def statuses(server: Server, requests: list[JsonObject]) -> list[int]:
    with Client(server) as client:
        return [client.post(request)[0] for request in requests]


def test_faults_are_a_script() -> None:
    with FakeServer(faults=[Fault("429", times=2), Fault("ok"), Fault("500")]) as server:
        assert statuses(server, [ask()] * 6) == [429, 429, 200, 500, 200, 200]
        assert server.counters().faults == {"429": 2, "500": 1}


def test_fault_for_ever() -> None:
    with FakeServer(faults=[Fault("503", times=None)]) as server:
        assert statuses(server, [ask()] * 5) == [503] * 5
        server.set_faults()
        assert statuses(server, [ask()]) == [200]


def test_fault_by_content() -> None:
    faults = [
        Fault("500", contains="bad", times=None),
        Fault("400", where=lambda request: request["model"] == "x", times=None),
    ]
    with FakeServer(faults=faults) as server:
        assert statuses(server, [ask(), ask("bad"), ask(model="x"), ask("bad")]) == [200, 500, 400, 500]


def test_fault_by_chance_depends_on_seed_and_body_alone() -> None:
    requests = [ask(str(n)) for n in range(400)]
    faults = [Fault("500", probability=0.2, times=None), Fault("429", probability=0.5, times=None)]

    def run(seed: int, requests: list[JsonObject]) -> dict[str, int]:
        with FakeServer(faults=faults, seed=seed) as server:
            answers = zip(requests, statuses(server, requests), strict=True)
            return {request["messages"][0]["content"]: status for request, status in answers}

    first = run(1, requests)
    assert run(1, requests[::-1]) == first
    assert run(2, requests) != first
    count = Counter(first.values())
    assert 50 < count[500] < 110
    assert 120 < count[429] < 200


def test_fault_by_chance_is_drawn_anew_when_a_body_comes_again() -> None:
    with FakeServer(faults=[Fault("500", probability=0.5, times=None)]) as server:
        assert set(statuses(server, [ask()] * 40)) == {200, 500}


def test_unknown_fault_is_refused() -> None:
    with pytest.raises(ValueError, match="no fault is called '418'"):
        Fault("418")  # type: ignore[arg-type]


# Books


def test_counters_add_up() -> None:
    with FakeServer(reply=lambda request: "123456789", faults=[Fault("500", times=2)]) as server:
        assert statuses(server, [ask("a"), ask("b"), ask("a"), ask("a")]) == [500, 500, 200, 200]
        counters = server.counters()
    key = body_hash(json.dumps(ask("a")).encode())
    assert (counters.requests, counters.repeats, counters.connections) == (4, 2, 1)
    assert counters.bodies[key] == 3
    assert (counters.prompt_tokens, counters.completion_tokens) == (2, 6)
    assert (counters.in_flight, counters.peak_in_flight) == (0, 1)
    assert 0 < counters.mean_in_flight <= 1
    assert server.counters() == counters, "readable after the end"


def test_in_flight_over_time() -> None:
    with FakeServer(gate=8) as server:
        assert server.counters().mean_in_flight == 0
        assert asyncio.run(post_all(server, [ask(str(n)) for n in range(8)])) == [200] * 8
        counters = server.counters()
    assert (counters.in_flight, counters.peak_in_flight, counters.connections) == (0, 8, 8)
    assert 1 <= counters.mean_in_flight <= 8


def test_log_leaves_nothing_out() -> None:
    with FakeServer(keep_log=True) as server, Client(server) as client:
        client.post(ask("seen"), headers="Authorization: Bearer k\r\nX-Trace: 7\r\n")
        (logged,) = server.log
    assert logged.headers["authorization"] == "Bearer k"
    assert logged.headers["x-trace"] == "7"
    assert json.loads(logged.body) == ask("seen")


def test_nothing_is_logged_unasked() -> None:
    with FakeServer() as server:
        post(server)
        assert server.log == []


def test_reset() -> None:
    with FakeServer(keep_log=True, faults=[Fault("500", times=None)]) as server:
        assert statuses(server, [ask(), ask()]) == [500, 500]
        server.reset(usage=False)
        assert (server.counters().requests, server.counters().bodies, server.log) == (0, {}, [])
        assert "usage" not in json.loads(post(server)[2])
        assert server.counters().requests == 1
        with pytest.raises(TypeError):
            server.reset(speed=3)


def test_reply_function_may_read_the_counters() -> None:
    server = FakeServer(reply=lambda request: str(server.counters().requests))
    with server:
        assert [content(post(server)[2]) for _ in range(2)] == ["1", "2"]


# Ceiling and gate


def test_ceiling_turns_away_what_is_too_much() -> None:
    with FakeServer(ceiling=2, ceiling_retry_after=3, latency_ms=3_600_000) as server:
        with Client(server) as one, Client(server) as two, Client(server) as three:
            one.send(raw(ask()))
            two.send(raw(ask()))
            until(lambda: server.counters().in_flight == 2)
            status, headers, _ = three.post(ask())
            assert three.post(ask())[0] == 429
        assert (status, headers["Retry-After"]) == (429, "3")
        assert server.counters().faults == {"ceiling": 2}
        assert server.counters().peak_in_flight == 2


def test_ceiling_admits_what_comes_one_by_one() -> None:
    with FakeServer(ceiling=1) as server:
        assert statuses(server, [ask()] * 3) == [200] * 3


def test_gate_opens_when_enough_are_in_flight() -> None:
    with FakeServer(gate=3) as server:
        with Client(server) as one, Client(server) as two, Client(server) as three:
            one.send(raw(ask()))
            two.send(raw(ask()))
            until(lambda: server.counters().in_flight == 2)
            three.send(raw(ask()))
            assert [client.receive()[0] for client in (one, two, three)] == [200] * 3
        assert post(server)[0] == 200, "it stays open"
        assert server.counters().gate_timeouts == 0


def test_gate_opens_in_the_end() -> None:
    with FakeServer(gate=2, gate_timeout=0.01) as server:
        assert post(server)[0] == 200
        assert server.counters().gate_timeouts == 1


def test_gate_is_armed_again_by_reset() -> None:
    with FakeServer() as server:
        server.reset(gate=2)
        assert asyncio.run(post_all(server, [ask("a"), ask("b")])) == [200, 200]
        assert server.counters().peak_in_flight == 2


def test_reset_releases_what_the_gate_holds() -> None:
    with FakeServer(gate=2) as server, Client(server) as client:
        client.send(raw(ask()))
        until(lambda: server.counters().in_flight == 1)
        server.reset(gate=None)
        assert client.receive()[0] == 200


def test_client_that_hangs_up_leaves_the_gate() -> None:
    with FakeServer(gate=2) as server:
        with Client(server) as client:
            client.send(raw(ask()))
            until(lambda: server.counters().in_flight == 1)
        until(lambda: server.counters().abandoned == 1)
        assert asyncio.run(post_all(server, [ask("a"), ask("b")])) == [200, 200]


# Lifetime


def test_server_ends_with_requests_in_flight() -> None:
    with FakeServer(gate=9) as server:
        client = Client(server)
        client.send(raw(ask()))
        until(lambda: server.counters().in_flight == 1)
    with client, pytest.raises(ConnectionError):
        client.receive()


def test_many_connections() -> None:
    with FakeServer(gate=200, gate_timeout=60) as server:
        assert asyncio.run(post_all(server, [ask(str(n)) for n in range(200)])) == [200] * 200
        assert server.counters().peak_in_flight == 200
        assert server.counters().gate_timeouts == 0


# The process


def shout(request: JsonObject) -> str:
    """Reply in capitals; named on a command line below."""
    return str(request["messages"][0]["content"]).upper()


def test_process_answers_counts_and_takes_faults() -> None:
    with FakeServerProcess("--reply", "tests.test_fake_server:shout", "--latency-ms", "0.5") as server:
        assert content(post(server, ask("hey"))[2]) == "HEY"
        server.set_faults(Fault("429", retry_after=7), Fault("500", contains="bad", times=None))
        with Client(server) as client:
            assert client.post(ask())[1]["Retry-After"] == "7"
            assert [client.post(ask(text))[0] for text in ("bad", "good", "bad")] == [500, 200, 500]
        counters = server.counters()
        assert (counters.requests, counters.connections, counters.faults) == (5, 2, {"429": 1, "500": 2})
        assert counters.bodies[body_hash(json.dumps(ask("bad")).encode())] == 2
        server.reset(ceiling=0)
        assert statuses(server, [ask()]) == [429]
        assert server.counters().requests == 1
        server.reset(ceiling=None)
        assert statuses(server, [ask("bad")]) == [200], "faults are gone"
    assert server.process.returncode == 0


def test_process_refuses_bad_control() -> None:
    with FakeServerProcess("--text", "fixed", "--faults", '[{"kind": "drop"}]') as server:
        with pytest.raises(ConnectionError):
            post(server)
        assert content(post(server)[2]) == "fixed"
        with pytest.raises(ValueError, match="speed"):
            server.reset(speed=1)
        with pytest.raises(ValueError, match="where"):
            server.set_faults(Fault("500", where=lambda request: True))
        with Client(server) as client:
            client.send(raw(b'[{"kind": "418"}]', path="/_faults"))
            assert client.receive()[0] == 400
        assert server.counters().requests == 2


def test_process_ends_on_a_signal() -> None:
    with FakeServerProcess() as server:
        os.kill(server.process.pid, signal.SIGTERM)
        assert server.process.wait(timeout=30) == 0


def test_process_that_does_not_start_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="exit status 2"), FakeServerProcess("--nonsense"):
        pass
    assert "--nonsense" in capfd.readouterr().err
