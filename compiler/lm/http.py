"""The ``http`` provider: any endpoint that speaks OpenAI's chat completions, over aiohttp.

One session per event loop serves every LM. Nothing is retried here and no redirect is followed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import aiohttp

from treadle.compiler.canonical import JSON
from treadle.compiler.errors import ConfigurationError, ConnectionLost, LMError, ProviderGarbage
from treadle.compiler.lm.faults import excerpt, refusal
from treadle.compiler.lm.keys import is_openai, key_for
from treadle.compiler.lm.per_loop import PerLoop
from treadle.compiler.lm.protocol import Completion, Request
from treadle.compiler.lm.reply import MAX_BODY, completion, decode, response_format
from treadle.compiler.lm.text import sendable
from treadle.compiler.redact import Secret

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def _open_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),  # how many are in flight is for the callers and the limits to say
        timeout=aiohttp.ClientTimeout(total=None),  # the LM has the timeout
        headers={"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"},
        cookie_jar=aiohttp.DummyCookieJar(),
    )


_sessions = PerLoop(_open_session, aiohttp.ClientSession.close)


class Http:
    """Sends requests to one endpoint.

    Args:
        endpoint: Base URL, such as ``http://localhost:8000/v1``.
        key: Sent as a bearer token; ``None`` takes what ``key_for`` finds in the environment.
        structured: Whether a request's schema is sent.
        max_body: Largest answer that is read, in bytes.

    Raises:
        ConfigurationError: OpenAI's own host and no key.
    """

    def __init__(
        self, endpoint: str, *, key: Secret | None = None, structured: bool = True, max_body: int = MAX_BODY
    ) -> None:
        self._url = f"{endpoint.rstrip('/')}/chat/completions"
        openai = is_openai(endpoint)
        self._key = key or key_for(endpoint)
        if openai and self._key is None:
            raise ConfigurationError(f"no key for {endpoint}: set OPENAI_API_KEY, or give LM(…, key=…)")
        self._max_tokens = (
            "max_completion_tokens" if openai else "max_tokens"
        )  # newer OpenAI models refuse the old name
        self._structured = structured
        self._max_body = max_body

    async def complete(self, request: Request) -> Completion:
        """One attempt; see ``Provider``."""
        failure: LMError | None = None
        try:
            async with _sessions.get().post(
                self._url, data=self._body(request), headers=self._headers(), allow_redirects=False
            ) as response:
                body = await self._read(response)
        except aiohttp.ClientError as error:
            failure = _transport(error, request)
        if failure is not None:  # outside the handler: the error must not carry aiohttp's own
            raise failure
        if response.status != 200:
            text = (body or b"").decode("utf-8", "replace")
            raise refusal(response.status, text, response.headers, request)
        if body is None:
            raise ProviderGarbage(f"{request.model} answered with more than {self._max_body:,} bytes", billed=True)
        return completion(decode(body, request), request)

    def _headers(self) -> Mapping[str, str] | None:
        return None if self._key is None else {"Authorization": f"Bearer {self._key.reveal()}"}

    def _body(self, request: Request) -> bytes:
        try:
            return _encode(self._payload(request, [(m.role, m.content) for m in request.messages])).encode()
        except UnicodeEncodeError:  # a lone surrogate
            return _encode(self._payload(request, [(m.role, sendable(m.content)) for m in request.messages])).encode()

    def _payload(self, request: Request, chat: list[tuple[str, str]]) -> dict[str, JSON]:
        payload: dict[str, JSON] = {
            "model": request.model,
            "messages": [{"role": role, "content": content} for role, content in chat],
            self._max_tokens: request.max_tokens,
        }
        if request.temperature is not None:
            payload["temperature"] = request.temperature
        if request.sample:
            payload["seed"] = request.seed
        if self._structured and request.schema is not None:
            payload["response_format"] = response_format(request.schema)
        return payload

    async def _read(self, response: aiohttp.ClientResponse) -> bytes | None:
        """The body, or ``None`` where it is larger than may be read."""
        length = response.content_length
        if length is not None and "Content-Encoding" not in response.headers:
            return await response.read() if length <= self._max_body else None
        parts: list[bytes] = []
        size = 0
        async for part in response.content.iter_any():
            size += len(part)
            if size > self._max_body:
                return None
            parts.append(part)
        return b"".join(parts)


def _transport(error: aiohttp.ClientError, request: Request) -> LMError:
    """Our error for a connection that failed: before the request was out, after it, or by nonsense."""
    where = f"{request.model} at {request.endpoint}"
    if isinstance(error, aiohttp.ClientConnectorError):
        return ConnectionLost(f"{where} cannot be reached: {excerpt(str(error))}")
    if isinstance(error, aiohttp.ClientResponseError):
        return ProviderGarbage(f"{where} answered with what is not HTTP: {excerpt(error.message)}", billed=True)
    return ConnectionLost(f"{where} closed the connection: {excerpt(str(error) or type(error).__name__)}", billed=True)
