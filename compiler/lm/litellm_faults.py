"""LiteLLM's errors by their cause: it reports broken connections, garbage and server errors all as server errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from treadle.compiler.errors import ConfigurationError, ConnectionLost, LMError, LMTimeout, ProviderGarbage
from treadle.compiler.lm.faults import excerpt, refusal
from treadle.compiler.lm.protocol import Request
from treadle.compiler.redact import refresh


def _causes(error: BaseException) -> Iterator[BaseException]:
    """``error`` and what led to it, outermost first."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def fault(error: Exception, request: Request) -> LMError | ConfigurationError:
    """Our error for LiteLLM's: by what the provider answered, else by how the connection failed, else by its status."""
    import httpx

    refresh()  # LiteLLM reads keys from the environment when it calls
    causes = tuple(_causes(error))
    for cause in causes:
        response = getattr(cause, "response", None)
        if isinstance(response, httpx.Response) and response.headers and response.status_code >= 300:
            return refusal(response.status_code, _body(response), response.headers, request)
    for cause in causes:
        if isinstance(cause, httpx.TimeoutException):
            return LMTimeout(f"{request.model} gave no answer in time", billed=True)
        if isinstance(cause, httpx.ConnectError) and not _broke(causes):
            return ConnectionLost(f"{request.model} cannot be reached: {excerpt(str(cause))}")
        if isinstance(cause, httpx.TransportError):
            return ConnectionLost(f"{request.model}: the connection broke: {excerpt(str(cause))}", billed=True)
        if isinstance(cause, ImportError):
            return ConfigurationError(f"LiteLLM needs another package for {request.model!r}: {excerpt(str(cause))}")
    return _by_status(error, request)


def _broke(causes: tuple[BaseException, ...]) -> bool:
    """Whether a connection that LiteLLM says was not made was made and broke: it does not tell these apart."""
    import aiohttp

    lost = [cause for cause in causes if isinstance(cause, aiohttp.ClientOSError)]
    return any(not isinstance(cause, aiohttp.ClientConnectorError) for cause in lost)


def _by_status(error: Exception, request: Request) -> LMError:
    """For errors LiteLLM raised by itself: a request it will not send, or an answer it cannot read."""
    status = getattr(error, "status_code", None)
    if isinstance(status, int) and 400 <= status < 500:
        return refusal(status, str(error), {}, request)
    return ProviderGarbage(f"{request.model}: LiteLLM cannot read the answer: {excerpt(str(error))}", billed=True)


def _body(response: Any) -> str:
    try:
        return str(response.text)
    except Exception:  # a stream that was never read
        return ""
