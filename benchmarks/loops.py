"""The floors: hand-written loops that ask an OpenAI-compatible endpoint, without a framework. See ``measuring.side``.

Each formats a prompt, writes JSON, asks, reads JSON and takes the text, ``concurrency`` calls at a time; an example is
one call, a chain of three, or four at once and a fifth of their answers. Prints ``cpu`` and ``wall`` in seconds a call.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from benchmarks.measuring import arguments
from benchmarks.shapes import CALLS, rows

Ask = Callable[[str], Awaitable[str]]
"""From a prompt to the reply's text."""


def body_of(text: str) -> dict[str, Any]:
    """The request for a prompt."""
    return {
        "model": "fake",
        "messages": [
            {"role": "system", "content": "Do what you are asked.\n\nAnswer with the text alone."},
            {"role": "user", "content": f"<text>\n{text}\n</text>"},
        ],
        "max_tokens": 1024,
    }


def text_of(answer: Any) -> str:
    """The reply's text."""
    return str(answer["choices"][0]["message"]["content"]).strip()


@contextlib.asynccontextmanager
async def over_aiohttp(url: str, concurrency: int) -> AsyncIterator[Ask]:
    """With aiohttp."""
    import aiohttp

    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=concurrency), headers=headers) as session:

        async def ask(text: str) -> str:
            async with session.post(f"{url}/chat/completions", data=json.dumps(body_of(text))) as response:
                return text_of(json.loads(await response.read()))

        yield ask


@contextlib.asynccontextmanager
async def over_httpx(url: str, concurrency: int) -> AsyncIterator[Ask]:
    """With httpx."""
    import httpx

    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    async with httpx.AsyncClient(limits=limits, timeout=None) as client:

        async def ask(text: str) -> str:
            response = await client.post(f"{url}/chat/completions", json=body_of(text))
            return text_of(response.json())

        yield ask


class Raw(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, host: str, path: str) -> None:
        self._head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: "
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """End the request when the whole answer is there."""
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if found and len(body) >= int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0]):
            self._answer.set_result(bytes(body))
            self._buffer.clear()

    async def ask(self, text: str) -> str:
        """The reply's text."""
        self._answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        body = json.dumps(body_of(text)).encode()
        self._transport.write(f"{self._head}{len(body)}\r\n\r\n".encode() + body)
        return text_of(json.loads(await self._answer))


@contextlib.asynccontextmanager
async def over_raw(url: str, concurrency: int) -> AsyncIterator[Ask]:
    """With nothing but asyncio: the floor of floors."""
    place = urlsplit(url)
    free: list[Raw] = []
    made: list[Raw] = []

    async def ask(text: str) -> str:
        if free:
            connection = free.pop()
        else:
            loop = asyncio.get_running_loop()
            _, connection = await loop.create_connection(
                lambda: Raw(place.netloc, f"{place.path}/chat/completions"),
                place.hostname or "127.0.0.1",
                place.port or 80,
            )
            made.append(connection)
        try:
            return await connection.ask(text)
        finally:
            free.append(connection)

    yield ask
    for connection in made:
        connection._transport.close()


CLIENTS = {"aiohttp": over_aiohttp, "httpx": over_httpx, "raw": over_raw}


async def example(ask: Ask, shape: str, text: str) -> str:
    """One example."""
    if shape == "one":
        return await ask(text)
    if shape == "chain":
        return await ask(await ask(await ask(text)))
    parts = await asyncio.gather(*[ask(f"{number} {text}") for number in range(4)])
    return await ask(" ".join(parts))


async def measured(client: str, shape: str, count: int, url: str, concurrency: int) -> dict[str, float]:
    """``count`` examples, after as many others as Treadle's side is warmed up with."""
    texts = [row["text"] for row in rows(count)]
    async with CLIENTS[client](url, concurrency) as unlimited:
        slots = asyncio.Semaphore(concurrency)

        async def ask(text: str) -> str:
            async with slots:
                return await unlimited(text)

        async def run(text: str) -> None:
            assert (await example(ask, shape, text)).startswith("ok")

        await asyncio.gather(*[run(row["text"]) for row in rows(16, tag="warm")])
        cpu, wall = time.process_time(), time.perf_counter()
        await asyncio.gather(*[run(text) for text in texts])
        calls = count * CALLS[shape]
        return {"cpu": (time.process_time() - cpu) / calls, "wall": (time.perf_counter() - wall) / calls}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measured(**arguments()))))
