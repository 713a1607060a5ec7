"""``Scripted``: an LM that answers from a function or a list, for tests of programs."""

from __future__ import annotations

import inspect
import json
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

from treadle.compiler.canonical import JSON
from treadle.compiler.errors import ConfigurationError
from treadle.compiler.lm.lm import LM
from treadle.compiler.lm.protocol import Completion, Request, Usage
from treadle.compiler.lm.settings import PriceLike

Reply: TypeAlias = JSON | Completion | Exception
"""A text as it is; other JSON is dumped; a completion as it is; an exception is raised."""

Answer: TypeAlias = Callable[[Request], "Reply | Awaitable[Reply]"]
"""From the request to its reply."""


def four_bytes_a_token(request: Request, text: str) -> Usage:
    """Usage by a plain rule: a token is four bytes of prompt or reply, rounded up."""
    prompt = sum(len(message.content.encode("utf-8", "surrogatepass")) for message in request.messages)
    return Usage(-(-prompt // 4), -(-len(text.encode("utf-8", "surrogatepass")) // 4))


class Scripted(LM):
    """An LM for tests: needs no key and no network, and does what it is told.

    Args:
        answer: A function, plain or async, from the request to its reply; or a list of replies, given out in the order
            in which requests come. A reply is a text, other JSON (dumped), a ``Completion``, or an exception to raise.
            With a list, requests that overlap come in any order: use a function that looks at the request.
        usage: Tokens of a request and its reply's text, or ``None`` for a provider that does not say.
        model: The recorded name.
        temperature: As for ``LM``.
        max_tokens: As for ``LM``.
        price: As for ``LM``; free unless given.
        structured: As for ``LM``.
        timeout: As for ``LM``.
        concurrency: As for ``LM``.

    Raises:
        ConfigurationError: ``answer`` is neither, or a setting is impossible. Also raised by the call for which a list
            has no reply left.

    >>> Scripted(["yes", {"team": "billing"}])
    Scripted('scripted')
    """

    def __init__(
        self,
        answer: Answer | Sequence[Reply],
        *,
        usage: Callable[[Request, str], Usage | None] | None = four_bytes_a_token,
        model: str = "scripted",
        temperature: float | None = None,
        max_tokens: int = 1024,
        price: PriceLike = (0.0, 0.0),
        structured: bool = True,
        timeout: float = 300.0,
        concurrency: int | None = None,
    ) -> None:
        super().__init__(
            model,
            provider=_Script(_answerer(answer), usage),
            temperature=temperature,
            max_tokens=max_tokens,
            price=price,
            structured=structured,
            timeout=timeout,
            concurrency=concurrency,
        )


class _Script:
    """The provider of ``Scripted``."""

    def __init__(self, answer: Answer, usage: Callable[[Request, str], Usage | None] | None) -> None:
        self._answer = answer
        self._usage = usage

    async def complete(self, request: Request) -> Completion:
        reply = self._answer(request)
        if inspect.isawaitable(reply):
            reply = await reply
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply, Completion):
            return reply
        text = reply if isinstance(reply, str) else _dump(reply)
        return Completion(text=text, usage=self._usage(request, text) if self._usage else None, model=request.model)


def _dump(reply: object) -> str:
    try:
        return json.dumps(reply, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            f"Scripted answered with {type(reply).__name__}, which JSON cannot hold ({error}); "
            "answer with a text, JSON, a Completion or an exception"
        ) from None


def _answerer(answer: Answer | Sequence[Reply]) -> Answer:
    if callable(answer):
        return answer
    if isinstance(answer, str | bytes | Mapping) or not isinstance(answer, Sequence):
        raise ConfigurationError(
            f"Scripted({answer!r}): give a function from the request to its reply, or a list of replies"
        )
    return _Replies(answer)


class _Replies:
    """Gives out a list once, from any thread."""

    def __init__(self, replies: Sequence[Reply]) -> None:
        self._all = len(replies)
        self._left: Iterator[Reply] = iter(tuple(replies))
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Reply:
        with self._lock:
            for reply in self._left:
                return reply
        raise ConfigurationError(
            f"Scripted has given out all {self._all} replies and was asked again "
            f"(sample {request.sample!r}): add replies, or answer with a function"
        )
