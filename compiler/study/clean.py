"""JSON without keys: what every file of a study passes before it is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from treadle.compiler.canonical import JSON, canonical
from treadle.compiler.redact import redact


def clean(body: JSON) -> tuple[JSON, str]:
    """``body`` without keys, and its canonical text.

    Strings are cleaned one by one, so that the text stays JSON.

    >>> clean({"url": "https://host/?api_key=abc"})[1]
    '{"url":"https://host/?api_key=[redacted]"}'
    """
    text = canonical(body)
    if redact(text) is text:
        return body, text
    body = _redacted(body)
    return body, canonical(body)


def _redacted(value: JSON) -> JSON:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {redact(name): _redacted(part) for name, part in value.items()}
    if isinstance(value, Sequence):
        return [_redacted(part) for part in value]
    return value
