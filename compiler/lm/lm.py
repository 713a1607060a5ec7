"""``LM``: a language model as programs bind it: which model, where, and with what settings.

An ``LM`` says what to ask; its provider sends. Making one opens no connection and imports no provider's library.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, NoReturn

from treadle.compiler.canonical import JSON, canonical
from treadle.compiler.errors import ConfigurationError, LMTimeout
from treadle.compiler.lm import settings
from treadle.compiler.lm.limits import Limiter, Limits
from treadle.compiler.lm.protocol import Completion, Message, Price, Provider, Request, Usage
from treadle.compiler.lm.text import repair
from treadle.compiler.redact import Secret, redact, refresh

if TYPE_CHECKING:
    from treadle.compiler.lm.per_loop import PerLoop

_MESSAGE_OVERHEAD = 16  # tokens a chat template puts around one message
_REQUEST_OVERHEAD = 64  # and around all of them: default system prompts of open models
_SCHEMA_OVERHEAD = 640  # what providers write around a schema to make a model keep to it


class LM:
    """A language model with the settings to call it. Immutable; share one object to share its limits.

    Args:
        source: ``"offline"``; a LiteLLM name, ``"openai/gpt-4o-mini"``; the base URL of an OpenAI-compatible endpoint,
            ``"http://localhost:8000/v1"``; any name where ``provider`` is given.
        model: The model's name at a URL; required there, and allowed nowhere else.
        endpoint: Base URL for a LiteLLM model that is not served at its provider's own address.
        key: API key. Without it a LiteLLM model finds its provider's own in the environment (``OPENAI_API_KEY``, …). A
            URL takes ``TREADLE_API_KEY``, and so does an ``openai/…`` model at another ``endpoint``; only the host
            ``api.openai.com`` is sent ``OPENAI_API_KEY``.
        temperature: 0 or more; ``None`` leaves the provider's default.
        max_tokens: Upper bound on the tokens of a reply, 1 or more.
        price: Dollars per million tokens (prompt, reply). Without it a LiteLLM model takes its list price from
            LiteLLM's table, and ``"offline"`` costs nothing; elsewhere it is unknown.
        structured: Whether the provider takes a JSON schema for the reply. ``None``: yes, but a LiteLLM model asks
            LiteLLM's table. Prompts state the schema and replies are checked against it either way.
        timeout: Seconds one attempt may take.
        concurrency: Calls in flight at most; ``None`` leaves it to the caller. Either way it halves on a 429.
        requests_per_minute: Calls sent in a minute at most.
        tokens_per_minute: Tokens in a minute at most, prompt and reply together.
        provider: Your own provider.

    Raises:
        ConfigurationError: A setting is impossible; says which and what to write.

    >>> LM("http://localhost:8000/v1", model="qwen", temperature=0.7)
    LM('http://localhost:8000/v1', model='qwen', temperature=0.7)
    """

    model: str
    """The model's name: recorded in artifacts and stores, and what the provider is asked for."""
    endpoint: str
    """Base URL; empty for the provider's own."""
    temperature: float | None
    max_tokens: int
    timeout: float
    limits: Limits

    def __init__(
        self,
        source: str,
        /,
        *,
        model: str | None = None,
        endpoint: str | None = None,
        key: str | None = None,
        temperature: float | None = None,
        max_tokens: int = 1024,
        price: settings.PriceLike | None = None,
        structured: bool | None = None,
        timeout: float = 300.0,
        concurrency: int | None = None,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        provider: Provider | None = None,
    ) -> None:
        refresh()
        kind, name, url = settings.place(source, model, endpoint, provider is not None)
        limits = settings.limits(concurrency, requests_per_minute, tokens_per_minute)
        vars(self).update(
            model=name,
            endpoint=url,
            temperature=settings.temperature(temperature),
            max_tokens=settings.whole("max_tokens", max_tokens),
            timeout=settings.positive("timeout", timeout),
            limits=limits,
            _kind=kind,
            _key=None if key is None else Secret(settings.key(key)),
            _price=settings.price(price),
            _structured=structured,
            _given=provider,
        )

    _kind: settings.Kind
    _key: Secret | None
    _price: Price | None
    _structured: bool | None
    _given: Provider | None

    @classmethod
    def from_environment(cls) -> LM:
        """The LM that ``TREADLE_LM`` names: ``offline``, ``openai/gpt-4o-mini`` or ``http://localhost:8000/v1#qwen``.

        The same value gives the same object.

        Raises:
            ConfigurationError: The variable is not set or names no LM.
        """
        text = os.environ.get("TREADLE_LM", "").strip()
        if not text:
            raise ConfigurationError(
                'no LM is bound: give one with lm=…, program.bind(lm=…), "with treadle.context(lm=…)", '
                "or the environment variable TREADLE_LM, such as TREADLE_LM=offline"
            )
        return _from_text(text)

    @cached_property
    def provider(self) -> Provider:
        """Where completions come from; made, and its library imported, on first use.

        Raises:
            ConfigurationError: The model or its provider is unknown, or a key is missing.
        """
        if self._given is not None:
            return self._given
        if self._kind == "offline":
            from treadle.compiler.lm.offline import Offline

            return Offline()
        if self._kind == "http":
            from treadle.compiler.lm.http import Http

            return Http(self.endpoint, key=self._key, structured=self.structured)
        from treadle.compiler.lm.litellm import LiteLLM

        return LiteLLM(self.model, endpoint=self.endpoint, key=self._key, structured=self.structured)

    @cached_property
    def structured(self) -> bool:
        """Whether the provider takes a JSON schema for the reply. May import LiteLLM to look it up."""
        if self._structured is None and self._kind == "litellm":
            from treadle.compiler.lm.litellm import takes_schema

            return takes_schema(self.model)
        return self._structured is not False

    @cached_property
    def price(self) -> Price | None:
        """Dollars per million tokens, or ``None`` where unknown. May import LiteLLM to look it up.

        A flat list price: discounts for cached prompts and dearer tiers for long ones are not in it.
        """
        if self._price is not None:
            return self._price
        if self._kind == "litellm":
            from treadle.compiler.lm.litellm import list_price

            return list_price(self.model)
        return Price(0.0, 0.0) if self._kind == "offline" else None

    def request(
        self,
        messages: Sequence[Message],
        *,
        schema: Mapping[str, JSON] | None = None,
        sample: str = "",
        temperature: float | None = None,
        max_tokens: int | None = None,
    ) -> Request:
        """A request to this LM. ``temperature`` and ``max_tokens`` replace the LM's own for this request."""
        return Request(
            model=self.model,
            endpoint=self.endpoint,
            messages=tuple(messages),
            schema=schema,
            temperature=self.temperature if temperature is None else temperature,
            max_tokens=self.max_tokens if max_tokens is None else max_tokens,
            sample=sample,
        )

    async def complete(self, request: Request, *, timeout: float | None = None) -> Completion:
        """One attempt at ``request`` by the provider: no retry, no limits, nothing stored.

        Fills in seconds and cost, and replaces what no file can hold in the text.

        Args:
            request: What is asked.
            timeout: Seconds, where they are fewer than the LM's own ``timeout``.

        Raises:
            LMError: The attempt failed.
        """
        import asyncio

        seconds = self.timeout if timeout is None else min(timeout, self.timeout)
        provider = self.provider
        start = time.monotonic()
        try:
            async with asyncio.timeout(seconds) as scope:
                completion = await provider.complete(request)
        except TimeoutError:
            if not scope.expired():
                raise
        if scope.expired():  # outside the handler: the error must not carry the provider's own
            raise LMTimeout(f"{self.model} gave no answer within {seconds:g} s; LM(timeout=…) sets this", billed=True)
        return self._finish(completion, time.monotonic() - start)

    def _finish(self, completion: Completion, seconds: float) -> Completion:
        text, repaired = repair(completion.text)
        cost = completion.cost
        if cost is not None and not 0.0 <= cost < math.inf:  # a provider that reports nonsense
            cost = None
        if completion.usage is not None and (self._price is not None or cost is None):
            cost = self.cost(completion.usage)
        return Completion(
            text=text,
            usage=completion.usage,
            finish_reason=completion.finish_reason,
            model=completion.model,
            repaired=f"{completion.repaired} {repaired}".strip(),
            cost=cost,
            seconds=seconds,
            cached=completion.cached,
        )

    def limiter(self) -> Limiter:
        """What holds this LM's limits on the running event loop."""
        return self._limiters.get()

    @cached_property
    def _limiters(self) -> PerLoop[Limiter]:
        from treadle.compiler.lm.per_loop import PerLoop

        return PerLoop(lambda: Limiter(self.limits))

    def cost(self, usage: Usage) -> float | None:
        """Dollars for ``usage``, or ``None`` where the price is unknown."""
        price = self.price
        return None if price is None else price.of(usage)

    def worst_tokens(self, request: Request) -> tuple[int, int]:
        """Tokens a call can use at most: (prompt, reply).

        No tokenizer makes more tokens than a text has bytes, so the prompt counts its bytes, and what a provider
        writes around messages and schema; the reply counts ``max_tokens``.
        """
        size = _REQUEST_OVERHEAD
        for message in request.messages:
            size += _MESSAGE_OVERHEAD + len(message.content.encode("utf-8", "surrogatepass"))
        if request.schema is not None:
            size += _SCHEMA_OVERHEAD + len(canonical(request.schema))
        return size, request.max_tokens

    def expected_tokens(self, request: Request) -> int:
        """Tokens a call is likely to use as rate limits count them: four bytes a token, and ``max_tokens``."""
        prompt, reply = self.worst_tokens(request)
        return prompt // 4 + reply

    def worst_cost(self, request: Request) -> float | None:
        """Dollars a call can cost at most, or ``None`` where the price is unknown."""
        price = self.price
        return None if price is None else price.of(Usage(*self.worst_tokens(request)))

    def _identity(self) -> tuple[object, ...]:
        names = (
            "_kind",
            "model",
            "endpoint",
            "temperature",
            "max_tokens",
            "timeout",
            "limits",
            "_price",
            "_structured",
        )
        return (*(vars(self)[name] for name in names), id(self._given) if self._given else None)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._identity() == other._identity() and self._key == other._key

    def __hash__(self) -> int:
        return hash((self.model, self.endpoint, self.temperature, self.max_tokens))

    def __repr__(self) -> str:
        if self._kind == "http":
            shown = [repr(self.endpoint), f"model={self.model!r}"]
        else:
            shown = [repr(self.model), *([f"endpoint={self.endpoint!r}"] if self.endpoint else [])]
        if self.temperature is not None:
            shown.append(f"temperature={self.temperature!r}")
        if self.max_tokens != 1024:
            shown.append(f"max_tokens={self.max_tokens!r}")
        return redact(f"{type(self).__name__}({', '.join(shown)})")

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"an LM is immutable; make another with {name}={value!r}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("an LM is immutable")

    def __copy__(self) -> LM:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> LM:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("an LM is not written to files; make it again from its settings")


@lru_cache(maxsize=8)
def _from_text(text: str) -> LM:
    url, hash_sign, model = text.partition("#")
    return LM(url, model=model) if hash_sign else LM(text)
