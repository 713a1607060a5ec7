"""Texts at the boundary: what a provider sends is made safe for files and databases before anyone sees it."""

from __future__ import annotations

import re

_SURROGATE = re.compile("[\ud800-\udfff]")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def repair(text: str) -> tuple[str, str]:
    """``text`` without what no file can hold, and the names of what was replaced by U+FFFD: ``surrogates``, ``nul``.

    Lone surrogates cannot be written as UTF-8; NUL ends strings in databases and C libraries. Everything else, also
    bidirectional controls, is kept.

    >>> repair("fine")
    ('fine', '')
    """
    if "\0" not in text and (text.isascii() or not _SURROGATE.search(text)):
        return text, ""
    without, surrogates = _SURROGATE.subn(_REPLACEMENT, text)
    found = [name for name, there in (("surrogates", surrogates), ("nul", "\0" in text)) if there]
    return without.replace("\0", _REPLACEMENT), " ".join(found)


def sendable(text: str) -> str:
    """``text`` as it can be sent: lone surrogates, which have no encoding, become U+FFFD."""
    return text if text.isascii() else _SURROGATE.sub(_REPLACEMENT, text)
