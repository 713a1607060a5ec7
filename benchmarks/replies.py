"""What the model says in benchmarks: another text for every request, so that no reply stands for two."""

from __future__ import annotations

import zlib
from typing import Any


def of_text(text: str) -> str:
    """The reply to a prompt."""
    return f"ok {zlib.crc32(text.encode())}"


def plain(request: dict[str, Any]) -> str:
    """A reply as text, for ``tests/fake_server.py``."""
    return of_text(request["messages"][-1]["content"])


def fields(request: dict[str, Any]) -> str:
    """The same as DSPy asks for it."""
    return f"[[ ## answer ## ]]\n{plain(request)}\n\n[[ ## completed ## ]]"
