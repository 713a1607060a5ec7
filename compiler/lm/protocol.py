"""What a language model is to Treadle: a request goes in, a completion comes out.

A provider has one method, ``async complete(request) -> completion``, makes one attempt and raises errors of
``treadle.compiler.errors``. Retries, limits, budgets and the store sit above every provider, as a ``Caller``.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Protocol

from treadle.compiler.canonical import JSON, canonical, digest

if TYPE_CHECKING:
    from treadle.compiler.lm.lm import LM

Role = Literal["system", "user", "assistant"]


@dataclasses.dataclass(frozen=True, slots=True)
class Message:
    """One chat message."""

    role: Role
    content: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """One LM call, complete: two equal requests ask for the same sample of the same reply.

    Attributes:
        model: The model's name as the provider knows it.
        endpoint: Where the model is served; empty for the provider's own default. Part of the identity, never a secret.
        messages: The chat, oldest first.
        schema: JSON Schema of the reply, or ``None`` for plain text.
        temperature: 0 or more; ``None`` leaves the provider's default.
        max_tokens: Upper bound on the reply's tokens.
        sample: The sample index as text: step, region path, replica and purpose. Equal requests with different sample
            indices are different samples.
    """

    model: str
    messages: tuple[Message, ...]
    max_tokens: int
    endpoint: str = ""
    schema: Mapping[str, JSON] | None = None
    temperature: float | None = None
    sample: str = ""

    @cached_property
    def key(self) -> str:
        """Identity of the request in a store: everything that decides the reply, and nothing else.

        It is ``digest(self.to_json(), length=32)``. The text of each message is kept, since most of a prompt is the
        same in the next request.
        """
        text = (
            f'{{"endpoint":{canonical(self.endpoint)},"max_tokens":{self.max_tokens},'
            f'"messages":[{",".join([_canonical_message(message) for message in self.messages])}],'
            f'"model":{canonical(self.model)},"sample":{canonical(self.sample)},"schema":{_or_null(self.schema)},'
            f'"temperature":{_or_null(self.temperature)}}}'
        )
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @property
    def seed(self) -> int:
        """A number from 0 to 2**31 - 1 that depends on the sample index alone; given to providers that take a seed."""
        return int(digest(self.sample, length=8), 16) & 0x7FFFFFFF

    def to_json(self) -> dict[str, JSON]:
        """The request as data."""
        return {
            "model": self.model,
            "endpoint": self.endpoint,
            "messages": [[message.role, message.content] for message in self.messages],
            "schema": self.schema,
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "sample": self.sample,
        }


@functools.lru_cache(maxsize=512)
def _canonical_message(message: Message) -> str:
    return f"[{canonical(message.role)},{canonical(message.content)}]"


def _or_null(value: JSON) -> str:
    return "null" if value is None else canonical(value)


@dataclasses.dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counted them.

    Attributes:
        input_tokens: Tokens of the prompt.
        output_tokens: Tokens of the reply.
    """

    input_tokens: int
    output_tokens: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """A provider's answer.

    Attributes:
        text: The reply; lone surrogates already replaced.
        usage: Tokens used, or ``None`` where the provider did not say.
        finish_reason: ``"stop"`` for a whole reply; ``"unsupported"`` from a model that has no method for the schema.
        model: The model that answered, as the provider names it.
        repaired: What the boundary had to change in the text, such as ``"surrogates"``; empty for nothing.
        cost: Dollars as the provider reported or the price says, or ``None`` where unknown.
        seconds: Time from sending to the whole reply, by a monotonic clock.
        cached: Whether a store answered instead of the provider.
    """

    text: str
    usage: Usage | None = None
    finish_reason: str = "stop"
    model: str = ""
    repaired: str = ""
    cost: float | None = None
    seconds: float = 0.0
    cached: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Price:
    """List price of a model in dollars per million tokens.

    Attributes:
        input: Per million prompt tokens.
        output: Per million reply tokens.
    """

    input: float
    output: float

    def of(self, usage: Usage) -> float:
        """Dollars for ``usage``."""
        return (usage.input_tokens * self.input + usage.output_tokens * self.output) / 1_000_000


class Provider(Protocol):
    """Where completions come from."""

    async def complete(self, request: Request) -> Completion:
        """One attempt at ``request``.

        Called concurrently from one event loop. May not retry, sleep to respect limits, cache or log prompts.

        Raises:
            LMError: The attempt failed; the subclass says whether another may succeed.
        """
        ...


class Caller(Protocol):
    """What the runtime calls instead of a provider: retries and limits, and in a study the store and the budget."""

    async def __call__(self, lm: LM, request: Request) -> Completion:
        """The completion of ``request`` by ``lm``.

        Raises:
            LMError: All attempts failed.
            StudyError: The study may not make the call.
        """
        ...
