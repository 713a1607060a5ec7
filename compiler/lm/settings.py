"""What may be written in ``LM(…)``: each setting checked by itself, refused with the remedy."""

from __future__ import annotations

import math
import re
from typing import Literal, TypeAlias, TypeGuard
from urllib.parse import SplitResult, urlsplit

from treadle.compiler.errors import ConfigurationError
from treadle.compiler.lm.limits import Limits
from treadle.compiler.lm.protocol import Price
from treadle.compiler.redact import redact

Kind: TypeAlias = Literal["offline", "http", "litellm", "own"]
"""Which provider an LM has; ``own`` for one the user brought."""

PriceLike: TypeAlias = Price | tuple[float, float]
"""A price, or dollars per million tokens as (prompt, reply)."""

FORMS = (
    'write LM("offline"), LM("openai/gpt-4o-mini") (provider/model, as LiteLLM names them) '
    'or LM("http://localhost:8000/v1", model="qwen")'
)
"""How LMs are written; ends messages about those that are not."""

_PROVIDER = re.compile(r"[\w.-]+")  # no colon: "localhost:8000/v1" is a URL without its scheme


def place(source: object, model: str | None, endpoint: str | None, own: bool) -> tuple[Kind, str, str]:
    """Which provider serves an LM, the model's name there and the base URL.

    Raises:
        ConfigurationError: The three do not go together.
    """
    if not isinstance(source, str) or not source.strip():
        raise ConfigurationError(f"an LM needs a model, not {source!r}: {FORMS}")
    source = source.strip()
    kind = _kind(source, own)
    if kind == "http":
        if endpoint is not None:
            raise ConfigurationError(f"LM({source!r}) is an endpoint already; leave endpoint= out")
        if not model:
            raise ConfigurationError(f'LM({source!r}) needs the model served there: LM({source!r}, model="qwen")')
        return kind, model, base_url(source)
    if model is not None:
        raise ConfigurationError(f"model={model!r} goes with the URL of an endpoint, not with {source!r}: {FORMS}")
    if endpoint is not None and kind != "litellm":
        raise ConfigurationError(f"endpoint= goes with a LiteLLM model, not with {source!r}: {FORMS}")
    return kind, source, "" if endpoint is None else base_url(endpoint)


def _kind(source: str, own: bool) -> Kind:
    if own:
        return "own"
    if source == "offline":
        return "offline"
    if "://" in source:
        return "http"
    provider, slash, name = source.partition("/")
    if not (_PROVIDER.fullmatch(provider) and slash and name) or any(character.isspace() for character in source):
        raise ConfigurationError(f"{redact(source)!r} names no LM: {FORMS}")
    return "litellm"


def base_url(text: str) -> str:
    """The base URL of an OpenAI-compatible endpoint, without the slash at its end.

    Raises:
        ConfigurationError: It is not one.
    """
    url = _split(text)
    problem = "a URL has no spaces" if any(character.isspace() for character in text) else ""
    if url is None or url.scheme not in ("http", "https") or not url.hostname:
        problem = "write it as http://host:port/v1 or https://host/v1"
    elif url.username or url.password:
        problem = "a key in a URL ends up in logs; give it with key="
    elif url.query or url.fragment:
        problem = "write it without ? and #; a key goes into key=, the model into model="
    elif url.path.rstrip("/").endswith("/completions"):
        problem = "write the base URL, without /chat/completions"
    if problem:
        raise ConfigurationError(f"{redact(text)!r} is no base URL of an endpoint: {problem}")
    return text.rstrip("/")


def _split(text: str) -> SplitResult | None:
    try:
        url = urlsplit(text)
        return url if url.port != 0 else None
    except ValueError:  # a port that is no number, a bracket left open
        return None


def limits(concurrency: int | None, requests: float | None, tokens: float | None) -> Limits:
    """The limits of an LM.

    Raises:
        ConfigurationError: One is not positive.
    """
    return Limits(
        concurrency=None if concurrency is None else whole("concurrency", concurrency),
        requests_per_minute=None if requests is None else positive("requests_per_minute", requests),
        tokens_per_minute=None if tokens is None else positive("tokens_per_minute", tokens),
    )


def whole(name: str, value: object) -> int:
    """A whole number from 1 up.

    Raises:
        ConfigurationError: It is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"{name}={value!r}: give a whole number, 1 or more")
    return value


def positive(name: str, value: object) -> float:
    """A finite number above 0.

    Raises:
        ConfigurationError: It is not.
    """
    if not _finite(value) or value <= 0:
        raise ConfigurationError(f"{name}={value!r}: give a number above 0")
    return value


def temperature(value: object) -> float | None:
    """A sampling temperature, or ``None`` for the provider's default.

    Raises:
        ConfigurationError: It is negative or no number.
    """
    if value is None:
        return None
    if not _finite(value) or value < 0:
        raise ConfigurationError(f"temperature={value!r}: give a number, 0 or more, or None for the provider's default")
    return value


def price(value: object) -> Price | None:
    """A price, or ``None`` where none was given.

    Raises:
        ConfigurationError: It is not two numbers of 0 or more.
    """
    if value is None:
        return None
    pair = (value.input, value.output) if isinstance(value, Price) else value
    if not isinstance(pair, tuple | list) or len(pair) != 2 or not all(_finite(part) and part >= 0 for part in pair):
        raise ConfigurationError(
            f"price={value!r}: give (prompt, reply) in dollars per million tokens, 0 or more, such as (0.15, 0.6)"
        )
    return Price(float(pair[0]), float(pair[1]))


def key(value: object) -> str:
    """An API key without the spaces that pasting leaves.

    Raises:
        ConfigurationError: It is empty or could not be sent in a header. The message does not show it.
    """
    text = value.strip() if isinstance(value, str) else ""
    if not text or not text.isprintable() or not text.isascii():
        raise ConfigurationError(
            "key=: give a text of printable ASCII characters, or leave it out to use the environment"
        )
    return text


def _finite(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
