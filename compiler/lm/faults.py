"""From what a provider says went wrong to our errors: by status and body, the same for every network provider.

Every message passes the redactor here: providers echo keys.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from treadle.compiler.errors import (
    AuthenticationFailed,
    ContextTooLong,
    LMError,
    LMTimeout,
    RateLimited,
    RequestRefused,
    ServerFault,
)
from treadle.compiler.lm.protocol import Request
from treadle.compiler.redact import redact

_SHOWN = 500  # characters of a provider's text that go into a message

_TOO_LONG = re.compile(
    r"context[_ ]?(?:length|window|size|limit)|maximum (?:context|input) length|prompt is too long|"
    r"(?:input|prompt|request)\b.{0,60}\b(?:exceeds?|longer than)\b.{0,60}\btokens|too many (?:input )?tokens|"
    r"exceeds the maximum number of tokens|`inputs` tokens \+ `max_new_tokens`|reduce the length of the messages",
    re.IGNORECASE | re.DOTALL,
)
_NO_CREDIT = re.compile(
    r"insufficient_quota|exceeded your current quota|billing_hard_limit|insufficient credits", re.IGNORECASE
)
_NO_SCHEMA = re.compile(r"response_format|json_schema|response_schema|structured output|guided_json", re.IGNORECASE)
_FILTERED = re.compile(r"content_filter|content_policy|content management policy|safety system", re.IGNORECASE)


def refusal(status: int, body: str, headers: Mapping[str, str], request: Request) -> LMError:
    """The error for an HTTP answer that is not a success.

    Args:
        status: The HTTP status.
        body: The body, or as much of it as was read.
        headers: The answer's headers; names are looked up in lower case.
        request: What was asked.
    """
    said = f"{_who(request)} answered {status}: {excerpt(_message(body))}"
    if status == 429 and not _NO_CREDIT.search(body):
        return RateLimited(said, retry_after=retry_after(headers))
    if status in (401, 402, 403, 429):
        return AuthenticationFailed(
            f"{said} (check the key given with LM(key=…) or in the environment, and its account)"
        )
    if status == 408:
        return LMTimeout(said, retry_after=retry_after(headers), billed=True)
    if status >= 500 or status in (409, 425):
        return ServerFault(said, retry_after=retry_after(headers), billed=status == 504)
    return _refused(said, status, body, headers, request)


def _refused(said: str, status: int, body: str, headers: Mapping[str, str], request: Request) -> RequestRefused:
    """The error for a request that will be refused again: which setting is to blame, where the body says it."""
    if status in (400, 413, 422) and _TOO_LONG.search(body):
        return ContextTooLong(f"{said} (the prompt and max_tokens={request.max_tokens} do not fit the model)")
    if status in (400, 422) and request.schema is not None and _NO_SCHEMA.search(body):
        return RequestRefused(f"{said} (if the model takes no JSON schema, say so: LM(…, structured=False))")
    if status == 400 and _FILTERED.search(body):
        return RequestRefused(f"{said} (the provider's content filter)")
    if 300 <= status < 400:
        return RequestRefused(
            f"{said} (it redirects to {excerpt(headers.get('location', 'nowhere'))}: give that base URL)"
        )
    if status == 404:
        return RequestRefused(f"{said} (check the base URL and the model's name)")
    return RequestRefused(said)


def _who(request: Request) -> str:
    return f"{request.model} at {request.endpoint}" if request.endpoint else request.model


def _message(body: str) -> str:
    """The message in a provider's error body, or all of the body."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return body
    error = data.get("error", data) if isinstance(data, dict) else data
    message = error.get("message", error) if isinstance(error, dict) else error
    return message if isinstance(message, str) else json.dumps(message)


def excerpt(text: str) -> str:
    """The beginning of a provider's text, on one line, without keys. For messages."""
    cut = redact(text[: 4 * _SHOWN])  # before cutting to length: half a key is not found
    line = " ".join(cut.split())
    printable = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in line)
    return f"{printable[:_SHOWN]}…" if len(printable) > _SHOWN else printable or "(nothing)"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds the provider asks to wait: ``retry-after-ms``, or ``Retry-After`` in seconds or as a date; else ``None``.

    A date counts from the answer's own ``Date`` where it has one, so that clocks need not agree.
    """
    milliseconds = _seconds(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after")
    seconds = _seconds(text)
    if seconds is not None:
        return seconds
    until = _epoch(text)
    if until is None:
        return None
    sent = _epoch(headers.get("date"))
    return max(0.0, until - (time.time() if sent is None else sent))


def _seconds(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return max(0.0, number) if math.isfinite(number) else None


def _epoch(text: str | None) -> float | None:
    try:
        return parsedate_to_datetime(text or "").timestamp()
    except (ValueError, OverflowError):
        return None
