from __future__ import annotations

import time

import pytest

from tests.fake_server import http_date
from treadle.compiler.errors import (
    AuthenticationFailed,
    ContextTooLong,
    LMError,
    LMTimeout,
    RateLimited,
    RequestRefused,
    ServerFault,
)
from treadle.compiler.lm.faults import excerpt, refusal, retry_after
from treadle.compiler.lm.protocol import Message, Request

REQUEST = Request(model="m", messages=(Message("user", "hi"),), max_tokens=9, endpoint="http://h/v1")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, "", RateLimited),
        (429, '{"error": {"code": "insufficient_quota"}}', AuthenticationFailed),
        (401, "", AuthenticationFailed),
        (402, "", AuthenticationFailed),
        (403, "", AuthenticationFailed),
        (408, "", LMTimeout),
        (409, "", ServerFault),
        (500, "", ServerFault),
        (504, "", ServerFault),
        (529, "<html>", ServerFault),
        (400, "This model's maximum context length is 8192 tokens.", ContextTooLong),
        (400, '{"error": {"code": "context_length_exceeded"}}', ContextTooLong),
        (400, "prompt is too long: 210000 tokens > 200000 maximum", ContextTooLong),
        (400, "The input token count (9999) exceeds the maximum number of tokens allowed (8192)", ContextTooLong),
        (413, "too many tokens", ContextTooLong),
        (400, "flagged by our content_policy", RequestRefused),
        (400, "null", RequestRefused),
        (404, "[]", RequestRefused),
        (422, "x", RequestRefused),
        (302, "", RequestRefused),
    ],
)
def test_a_status_is_one_error(status: int, body: str, kind: type[LMError]) -> None:
    error = refusal(status, body, {}, REQUEST)
    assert type(error) is kind
    assert f"m at http://h/v1 answered {status}" in str(error)


def test_a_message_is_short_printable_and_on_one_line() -> None:
    assert excerpt("a\n b\t\x1b[31mred\x07") == "a b \ufffd[31mred\ufffd"
    assert excerpt("") == "(nothing)"
    assert len(excerpt("x" * 10_000)) == 501


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e999"}, None),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after": http_date(2_000_000_060), "date": http_date(2_000_000_000)}, 60.0),
        ({"retry-after": http_date(2_000_000_000), "date": http_date(2_000_000_060)}, 0.0),
        ({"retry-after": "Wed, 99 Foo 9999 00:00:00 GMT"}, None),
    ],
)
def test_retry_after_is_read(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_a_date_without_the_senders_clock_counts_from_ours() -> None:
    seconds = retry_after({"retry-after": http_date(time.time() + 5000)})
    assert seconds is not None
    assert 4000 < seconds <= 5001
