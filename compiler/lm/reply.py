"""Reading a chat completion as OpenAI shaped it: out comes a completion, or the error that says what it is instead."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from typing import NoReturn

from treadle.compiler.canonical import JSON
from treadle.compiler.errors import LMError, ProviderGarbage, ReplyTruncated, RequestRefused
from treadle.compiler.lm.faults import excerpt, refusal
from treadle.compiler.lm.protocol import Completion, Request, Usage

MAX_BODY = 16 * 2**20
"""Largest answer that is taken, in bytes; of one a library has read already, the largest text, in characters."""

MAX_DEPTH = 64
"""Deepest nesting of lists and objects that is read in a provider's answer."""

_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*"?|[\[{\]}]', re.DOTALL)


def response_format(schema: Mapping[str, JSON]) -> dict[str, JSON]:
    """How a reply of this schema is asked for. Not as "strict": that allows a part of JSON Schema only."""
    return {"type": "json_schema", "json_schema": {"name": "reply", "schema": schema}}


def decode(body: bytes, request: Request) -> object:
    """The JSON in the body of an answer.

    Raises:
        ProviderGarbage: It is not JSON, or nests too deep.
    """
    if _too_deep(body):
        raise ProviderGarbage(f"{request.model} answered with JSON nested more than {MAX_DEPTH} deep", billed=True)
    with contextlib.suppress(ValueError, RecursionError):
        return json.loads(body)
    what = excerpt(body[:2000].decode("utf-8", "replace"))
    raise ProviderGarbage(f"{request.model} answered 200 with what is not JSON: {what}", billed=True)


def _too_deep(body: bytes) -> bool:
    """Whether brackets outside strings nest too deep; counted only where there are enough of them."""
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return False
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(body):
        mark = match.group()
        depth += 1 if mark in b"[{" else -1 if mark in b"]}" else 0
        if depth > MAX_DEPTH:
            return True
    return False


def completion(data: object, request: Request) -> Completion:
    """The completion in a decoded answer.

    Raises:
        ProviderGarbage: It has no choices, or the choice has no text.
        ReplyTruncated: The reply was cut by ``max_tokens``.
        RequestRefused: The model or a content filter refused.
        LMError: The answer says 200 and holds an error.
    """
    if not isinstance(data, dict):
        _garbage(request, f"is no object but {type(data).__name__}")
    choices = data.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        if data.get("error"):
            raise _hidden_error(data["error"], request)
        _garbage(request, "has no choices")
    choice = choices[0]
    message = choice.get("message")
    if not isinstance(message, dict):
        _garbage(request, "has a choice without a message")
    finish = choice.get("finish_reason")
    check_finish(finish, message.get("refusal"), request)
    text = _text(message.get("content"))
    if text is None:
        _garbage(request, "has a message without text")
    if len(text) > MAX_BODY:
        _garbage(request, f"has a text of {len(text):,} characters")
    model = data.get("model")
    return Completion(
        text=text,
        usage=usage(data.get("usage")),
        finish_reason=finish if isinstance(finish, str) else "stop",
        model=model if isinstance(model, str) else request.model,
    )


def check_finish(finish: object, refused: object, request: Request) -> None:
    """Stop where a reply is not whole.

    Raises:
        ReplyTruncated: The reply was cut by ``max_tokens``.
        RequestRefused: The model or a content filter refused.
    """
    if finish == "length":
        raise ReplyTruncated(
            f"{request.model}'s reply was cut at max_tokens={request.max_tokens}; "
            "raise max_tokens of the LM, or ask for less",
            billed=True,
        )
    if finish == "content_filter":
        raise RequestRefused(f"{request.model}'s content filter stopped the reply", billed=True)
    if isinstance(refused, str) and refused:
        raise RequestRefused(f"{request.model} refused: {excerpt(refused)}", billed=True)


def _text(content: object) -> str | None:
    """The text of a message's content: a text, or a list of parts with texts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return None
    texts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"]
    return "".join(text for text in texts if isinstance(text, str)) if texts else None


def usage(data: object) -> Usage | None:
    """Usage as the provider counted it; ``None`` where it did not, or not sensibly."""
    if not isinstance(data, Mapping):
        return None
    prompt, reply = data.get("prompt_tokens"), data.get("completion_tokens")
    if type(prompt) is not int or type(reply) is not int or prompt < 1 or reply < 0:
        return None
    return Usage(prompt, reply)


def _hidden_error(error: object, request: Request) -> LMError:
    """The error inside an answer that says 200, as gateways send them."""
    code = error.get("code") if isinstance(error, dict) else None
    if isinstance(code, int) and 400 <= code < 600:
        return refusal(code, json.dumps({"error": error}), {}, request)
    return ProviderGarbage(f"{request.model} answered 200 with an error: {excerpt(json.dumps(error))}", billed=True)


def _garbage(request: Request, what: str) -> NoReturn:
    raise ProviderGarbage(f"{request.model} answered 200, but the answer {what}", billed=True)
