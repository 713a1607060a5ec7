"""JSON without keys: what every file of a study passes before it is written."""

from __future__ import annotations

import json

import pydantic_core

from treadle.compiler.canonical import JSON
from treadle.compiler.redact import redact, redact_json

_encode_strictly = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


def clean(body: JSON) -> tuple[JSON, str]:
    """``body`` without keys, the same object where there are none, and its JSON text, in the order given.

    Raises:
        ValueError: ``body`` holds NaN or an infinity.

    >>> clean({"url": "https://host/?api_key=abc"})[1]
    '{"url":"https://host/?api_key=[redacted]"}'
    """
    text = _encoded(body)
    plain = text.replace("\\n", "\n").replace('\\"', '"')
    if "\\" not in plain and redact(plain) is plain:  # nothing else is escaped, so every key would stand in it as it is
        return body, text
    cleaned = redact_json(body)
    return (body, text) if cleaned is body else (cleaned, _encoded(cleaned))


def _encoded(body: JSON) -> str:
    """JSON text by pydantic, in a quarter of the time; what that cannot do or may do otherwise is left to ``json``."""
    try:
        text = pydantic_core.to_json(body).decode()
    except (ValueError, TypeError):  # a lone surrogate, which JSON can only escape
        return _encode_strictly(body)
    return _encode_strictly(body) if "NaN" in text or "Infinity" in text else text
