from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.compiler.errors import LMError, ProviderGarbage, RateLimited, ReplyTruncated, RequestRefused
from treadle.compiler.lm.protocol import Completion, Message, Request, Usage
from treadle.compiler.lm.reply import completion, decode, usage

REQUEST = Request(model="m", messages=(Message("user", "hi"),), max_tokens=9)


def answer(message: object, finish: object = "stop", **more: object) -> dict[str, object]:
    return {"choices": [{"message": message, "finish_reason": finish}], **more}


def test_a_whole_answer() -> None:
    data = answer({"content": "hi"}, model="m-2024", usage={"prompt_tokens": 3, "completion_tokens": 1})
    assert completion(data, REQUEST) == Completion(text="hi", usage=Usage(3, 1), model="m-2024")


def test_parts_are_put_together() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]
    assert completion(answer({"content": parts}), REQUEST).text == "ab"


def test_an_empty_text_is_a_text() -> None:
    assert completion(answer({"content": ""}, None), REQUEST) == Completion(text="", model="m")


@pytest.mark.parametrize(
    "data",
    [
        None, [], "x", {}, {"choices": None}, {"choices": []}, {"choices": [None]}, {"choices": [{}]},
        answer(None), answer({}), answer({"content": None}), answer({"content": 3}), answer({"content": []}),
        answer({"content": [{"type": "text"}, 3][1:]}), {"error": {"message": "odd"}}, {"error": "odd"},
    ],
)  # fmt: skip
def test_what_is_no_completion_is_garbage(data: object) -> None:
    with pytest.raises(ProviderGarbage):
        completion(data, REQUEST)


def test_an_error_that_says_200_is_that_error() -> None:
    with pytest.raises(RateLimited, match="slow"):
        completion({"error": {"code": 429, "message": "slow"}}, REQUEST)


def test_what_is_not_whole_is_not_used() -> None:
    with pytest.raises(ReplyTruncated, match="max_tokens=9"):
        completion(answer({"content": "cu"}, "length"), REQUEST)
    with pytest.raises(ReplyTruncated):
        completion(answer({"content": None}, "length"), REQUEST)
    with pytest.raises(RequestRefused, match="content filter"):
        completion(answer({"content": ""}, "content_filter"), REQUEST)
    with pytest.raises(RequestRefused, match="I cannot"):
        completion(answer({"content": None, "refusal": "I cannot"}), REQUEST)


@pytest.mark.parametrize(
    "counted",
    [
        None, [], {}, {"prompt_tokens": 3}, {"prompt_tokens": "3", "completion_tokens": 1},
        {"prompt_tokens": True, "completion_tokens": 1}, {"prompt_tokens": 0, "completion_tokens": 0},
        {"prompt_tokens": -1, "completion_tokens": 1}, {"prompt_tokens": 3, "completion_tokens": float("nan")},
    ],
)  # fmt: skip
def test_a_senseless_usage_is_unknown(counted: object) -> None:
    assert usage(counted) is None


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html>", b"{", b"\xff\xfe", b'{"a": ' + b"9" * 5000 + b"}", b"[" * 65 + b"]" * 65,
        b'{"a":' * 100_000, b"[" * 100_000, b'"' + b"\\" * 100_001,
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_garbage(body: bytes) -> None:
    with pytest.raises(ProviderGarbage) as caught:
        decode(body, REQUEST)
    assert caught.value.__context__ is None
    assert len(str(caught.value)) < 1000


def test_brackets_inside_texts_do_not_nest() -> None:
    assert decode(b'{"a": "' + b"[{" * 1000 + b'\\"["}', REQUEST)
    assert decode(b"[" + b"[]," * 1000 + b"[]]", REQUEST)
    assert decode(b"[" * 64 + b"]" * 64, REQUEST)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(LMError):
        assert completion(decode(body, REQUEST), REQUEST).text
