"""Which key goes to which endpoint, where the user named none: never one provider's key to another host."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from treadle.compiler.lm.settings import key
from treadle.compiler.redact import Secret

OPENAI_HOST = "api.openai.com"


def is_openai(endpoint: str) -> bool:
    """Whether a base URL is OpenAI's own."""
    return urlsplit(endpoint).hostname == OPENAI_HOST


def key_for(endpoint: str) -> Secret | None:
    """The key in the environment for a base URL: ``OPENAI_API_KEY`` for OpenAI's host, else ``TREADLE_API_KEY``.

    Raises:
        ConfigurationError: It could not be sent.
    """
    text = os.environ.get("OPENAI_API_KEY" if is_openai(endpoint) else "TREADLE_API_KEY", "").strip()
    return Secret(key(text)) if text else None
