"""JSON without keys: what every file of a study passes before it is written."""

from __future__ import annotations

import json

from treadle.compiler.canonical import JSON
from treadle.compiler.redact import redact, redact_json

_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


def clean(body: JSON) -> tuple[JSON, str]:
    """``body`` without keys, the same object where there are none, and its JSON text: ASCII, in the order given.

    Raises:
        ValueError: ``body`` holds NaN or an infinity.

    >>> clean({"url": "https://host/?api_key=abc"})[1]
    '{"url":"https://host/?api_key=[redacted]"}'
    """
    text = _encode(body)
    if "\\" not in text and redact(text) is text:  # nothing is escaped, so every key would stand in it as it is
        return body, text
    cleaned = redact_json(body)
    return (body, text) if cleaned is body else (cleaned, _encode(cleaned))
