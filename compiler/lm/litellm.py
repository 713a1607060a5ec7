"""The ``litellm`` provider: every model LiteLLM knows. The library takes seconds to import: on first use.

Only its translation between providers is used. Its retries, caches, callbacks, budgets and parameter dropping stay off.
Its errors are read by their cause: it reports broken connections, garbage and server errors all as server errors.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import os
import warnings
from collections.abc import Coroutine, Iterator, Mapping
from functools import cache
from types import ModuleType
from typing import Any

from treadle.compiler.errors import (
    ConfigurationError,
    LMError,
)
from treadle.compiler.lm.keys import is_openai, key_for
from treadle.compiler.lm.litellm_faults import fault
from treadle.compiler.lm.per_loop import PerLoop
from treadle.compiler.lm.protocol import Completion, Price, Request
from treadle.compiler.lm.reply import completion, response_format
from treadle.compiler.lm.text import sendable
from treadle.compiler.redact import Secret, redact

_LONG = 24 * 3600.0  # seconds: the LM has the timeout, and LiteLLM's own must not come first
# LiteLLM's table of needed variables is right about these. Others take roles, token files or variables it leaves out.
_KEY_ONLY = frozenset({"anthropic", "cerebras", "deepseek", "gemini", "groq", "mistral", "openai", "openrouter", "xai"})
_NO_KEY = Secret("none")  # sent to endpoints that need none: LiteLLM would look for OpenAI's otherwise


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Ignore warnings about LiteLLM's own code, so that it can be used with warnings as errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@cache
def _library() -> ModuleType:
    """LiteLLM, with everything off that sends, keeps or prints by itself."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # it would download its price list when imported
    with _quiet():
        import litellm

        litellm.ModelResponse()  # completes its classes
    # For what it imports later, provider by provider. Nothing a user of either library can act on.
    warnings.filterwarnings("ignore", r"Items? .* on TypedDict class .* using the `ReadOnly` qualifier", UserWarning)
    litellm.suppress_debug_info = True  # it prints advice to standard output
    litellm.drop_params = False  # a setting dropped in silence is a wrong result
    litellm.cache = None
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logging.getLogger(name).addFilter(_redacting)
    return litellm


def _redacting(record: logging.LogRecord) -> bool:
    """Keep keys out of LiteLLM's log, and what it says of event loops that came and went: it works across them."""
    text = record.getMessage()
    record.msg, record.args, record.exc_info, record.exc_text = redact(text), (), None, None
    return not text.startswith("LoggingWorker: event loop changed")


def takes_schema(model: str) -> bool:
    """Whether LiteLLM's table says that the model takes a JSON schema for its reply."""
    return bool(_library().supports_response_schema(model=model))


def list_price(model: str) -> Price | None:
    """The model's price in LiteLLM's table, which ships with it; ``None`` where it is not listed."""
    entry = _entry(model)
    prompt, reply = entry.get("input_cost_per_token"), entry.get("output_cost_per_token")
    if not isinstance(prompt, int | float) or not isinstance(reply, int | float):
        return None
    return Price(prompt * 1_000_000, reply * 1_000_000)


def _entry(model: str) -> Mapping[str, Any]:
    """What LiteLLM's table says of a model, listed with or without its provider."""
    table: Mapping[str, Mapping[str, Any]] = _library().model_cost
    provider, _, name = model.partition("/")
    bare = table.get(name, {})
    return table.get(model) or (bare if bare.get("litellm_provider", "").startswith(provider) else {})


class LiteLLM:
    """Sends requests through LiteLLM.

    Args:
        model: ``provider/model``, as LiteLLM names them.
        endpoint: Base URL; empty for the provider's own.
        key: API key; ``None`` lets LiteLLM find the provider's own in the environment, but for an ``openai/…`` model
            at another host, which is not OpenAI's and gets ``TREADLE_API_KEY``.
        structured: Whether a request's schema is sent.

    Raises:
        ConfigurationError: LiteLLM knows no such provider, or the environment lacks its key.
    """

    def __init__(self, model: str, *, endpoint: str = "", key: Secret | None = None, structured: bool = True) -> None:
        self._litellm = _library()
        self._model = model
        self._endpoint = endpoint
        self._key = key
        self._structured = structured
        name, provider = _provider_of(model)
        if key is None and not endpoint:
            _check_key(model, provider)
        elif key is None and provider == "openai" and not is_openai(endpoint):
            self._key = key_for(endpoint) or _NO_KEY
        with _quiet():
            takes = self._litellm.get_supported_openai_params(name, custom_llm_provider=provider)
        self._takes = frozenset(takes or ())

    async def complete(self, request: Request) -> Completion:
        """One attempt; see ``Provider``."""
        _clients.get()
        failure: LMError | ConfigurationError | None = None
        try:
            answer = await _cancellable(self._litellm.acompletion(**self._arguments(request)))
        except Exception as error:  # LiteLLM's own classes do not tell causes apart
            failure = fault(error, request)
        if failure is not None:  # outside the handler: the error must not carry LiteLLM's own, which holds the key
            raise failure
        return completion(_plain(answer), request)

    def _arguments(self, request: Request) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": m.role, "content": sendable(m.content)} for m in request.messages],
            "max_tokens": request.max_tokens,
            "timeout": _LONG,
            "max_retries": 0,
            "caching": False,
        }
        if self._endpoint:
            arguments["api_base"] = self._endpoint
        if self._key is not None:
            arguments["api_key"] = self._key.reveal()
        if request.temperature is not None:
            arguments["temperature"] = request.temperature
        if request.sample and "seed" in self._takes:  # elsewhere the sample index only keeps stored samples apart
            arguments["seed"] = request.seed
        if self._structured and request.schema is not None:
            arguments["response_format"] = response_format(request.schema)
        return arguments


def _provider_of(model: str) -> tuple[str, str]:
    """The model's name without its provider, and the provider."""
    known = False
    try:
        name, provider, _, _ = _library().get_llm_provider(model)
        known = True
    except Exception:  # its own BadRequestError, and others
        pass
    if not known:
        raise ConfigurationError(
            f"LiteLLM knows no provider for {model!r}; write provider/model, such as openai/gpt-4o-mini, "
            'or LM("http://host/v1", model=…) for an OpenAI-compatible endpoint'
        )
    return name, provider


def _check_key(model: str, provider: str) -> None:
    """Stop before anything is sent without a key, for providers that have no other way in."""
    missing = _library().validate_environment(model)["missing_keys"] if provider in _KEY_ONLY else ()
    if missing:
        raise ConfigurationError(f"no key for {model!r}: set {' or '.join(missing)}, or give LM(…, key=…)")


def _plain(answer: Any) -> object:
    """LiteLLM's answer as the data it came as. It makes up a usage of 0 where there was none; ``usage`` knows."""
    return answer.model_dump()


async def _cancellable(call: Coroutine[Any, Any, Any]) -> Any:
    """``call``, so that cancelling it leaves nothing behind.

    LiteLLM prepares a request in a thread, which makes the coroutine that sends it. Cancelled meanwhile, it would drop
    that coroutine with a warning; so the thread, which takes milliseconds, is waited for.
    """
    task = asyncio.ensure_future(call)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done() and _in_thread(task):
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise


def _in_thread(task: asyncio.Task[Any]) -> bool:
    innermost = task.get_coro()
    while inspect.iscoroutine(innermost) and inspect.iscoroutine(innermost.cr_await):
        innermost = innermost.cr_await
    preparing = inspect.unwrap(_library().acompletion).__code__
    return inspect.iscoroutine(innermost) and innermost.cr_code is preparing


# --- its connections -------------------------------------------------------------------------------------------------


async def _close_clients(suffix: str) -> None:
    """Close the connections LiteLLM holds for one event loop: its table's keys end in the loop's id."""
    held = _library().in_memory_llm_clients_cache
    for name in [name for name in held.cache_dict if name.endswith(suffix)]:
        client = held.cache_dict.pop(name)
        close = getattr(client, "close", None) or getattr(client, "aclose", None)
        if close is not None:
            await close()


def _loop_suffix() -> str:
    return f"-{id(asyncio.get_running_loop())}"


_clients = PerLoop(_loop_suffix, _close_clients)
