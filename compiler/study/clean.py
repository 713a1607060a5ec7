"""JSON without keys: what every file of a study passes before it is written."""

from __future__ import annotations

from treadle.compiler.canonical import JSON, canonical
from treadle.compiler.redact import redact_json


def clean(body: JSON) -> tuple[JSON, str]:
    """``body`` without keys, and its canonical text.

    >>> clean({"url": "https://host/?api_key=abc"})[1]
    '{"url":"https://host/?api_key=[redacted]"}'
    """
    body = redact_json(body)
    return body, canonical(body)
