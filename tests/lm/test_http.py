from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
from collections.abc import AsyncIterator

import pytest

from tests.lm.conformance import run
from tests.lm.network_conformance import CANARY, NetworkConformance
from treadle.compiler.errors import ConfigurationError, LMError, ProviderGarbage, RequestRefused
from treadle.compiler.lm.http import Http
from treadle.compiler.lm.lm import LM
from treadle.compiler.lm.protocol import Message


class TestHttp(NetworkConformance):
    def make(self, url: str, key: str | None = CANARY, **settings: object) -> LM:
        return LM(url, model="qwen", key=key, **settings)  # type: ignore[arg-type]  # settings of the test

    def test_no_key_sends_no_header(self) -> None:
        lm = self.make(self.server.base_url, key=None)
        run(lm.complete(self.ask(lm)))
        assert "authorization" not in self.server.log[0].headers

    def test_connections_are_used_again(self, lm: LM) -> None:
        async def in_turn() -> None:
            for _ in range(5):
                await lm.complete(self.ask(lm))

        run(in_turn())
        assert self.server.counters().connections == 1


@contextlib.asynccontextmanager
async def raw_server(answer: bytes) -> AsyncIterator[str]:
    """A server that sends the same bytes to everyone."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-len")
        )
        await reader.readexactly(length)
        writer.write(answer)
        with contextlib.suppress(ConnectionError):  # the client has had enough
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


def ask_raw(answer: bytes, **settings: int) -> object:
    async def ask() -> object:
        async with raw_server(answer) as url:
            lm = LM(url, model="m")
            return await Http(url, **settings).complete(lm.request([Message("user", "hi")]))  # type: ignore[arg-type]

    return run(ask())


def answer_of(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


COMPLETION = json.dumps({"choices": [{"message": {"content": "x" * 4000}, "finish_reason": "stop"}]}).encode()


def test_a_body_that_unpacks_beyond_the_cap_is_not_read_to_its_end() -> None:
    packed = gzip.compress(COMPLETION)
    answer = answer_of(packed, "Content-Encoding: gzip", f"Content-Length: {len(packed)}")
    with pytest.raises(ProviderGarbage, match="more than 1,000 bytes"):
        ask_raw(answer, max_body=1000)


def test_a_body_without_a_length_is_capped_too() -> None:
    with pytest.raises(ProviderGarbage, match="more than 1,000 bytes"):
        ask_raw(answer_of(COMPLETION), max_body=1000)
    assert ask_raw(answer_of(COMPLETION))


def test_a_redirect_is_not_followed() -> None:
    answer = answer_of(
        b"", "Location: http://elsewhere.example/v1", "Content-Length: 0", status="307 Temporary Redirect"
    )
    with pytest.raises(RequestRefused, match="redirects to http://elsewhere"):
        ask_raw(answer)


def test_what_is_not_http_is_garbage() -> None:
    with pytest.raises(LMError) as caught:
        ask_raw(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
    assert isinstance(caught.value, ProviderGarbage)
    assert caught.value.__context__ is None


def test_openai_itself_needs_a_key_and_takes_its_own() -> None:
    lm = LM("https://api.openai.com/v1", model="gpt-4o-mini")
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY"):
        _ = lm.provider


def test_openai_takes_its_own_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    assert isinstance(LM("https://api.openai.com/v1", model="gpt-4o-mini").provider, Http)
