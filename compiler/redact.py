"""Keys out of texts. Every text that leaves the process by another way than to the provider passes ``redact`` first.

Sinks are exception messages, traces, logs, the store, artifacts and reports. Two things are looked for: the exact
values of keys this process is known to hold, and what looks like a key whoever it belongs to. Known values live in
memory only.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from urllib.parse import quote

REDACTED = "[redacted]"
"""What stands where a key stood."""

SHORTEST_KEY = 8
"""Values with fewer characters are not looked for, nor single words below twice that: they are placeholders."""

_KEY_VARIABLE = re.compile(
    r".*(?:(?:API|ACCESS|SECRET|SUBSCRIPTION|PRIVATE|AUTH)_?KEY(?:_ID)?|TOKEN|SECRET|PASSWORD|PASSWD)", re.IGNORECASE
)

# What must occur in a text before its pattern is tried, because a substring test costs far less, and the pattern. The
# group "keep" stays. Bearer tokens, parameters and headers need a digit or a length that words do not have.
_PATTERNS: tuple[tuple[tuple[str, ...], re.Pattern[str]], ...] = (
    (("sk-", "sk_"), re.compile(r"(?P<keep>)(?<![A-Za-z0-9])[sr]k[-_][A-Za-z0-9_-]{12,}")),
    (("earer", "EARER"), re.compile(r"(?P<keep>\bbearer\s+)(?=\S*\d|\S{20})[\w.~+/=-]{8,}", re.IGNORECASE)),
    (("asic ", "ASIC "), re.compile(r"(?P<keep>authorization\W{1,4}basic\s+)[\w+/=-]{8,}", re.IGNORECASE)),
    (
        ("key=", "token=", "secret=", "sig=", "signature=", "Key=", "KEY="),
        re.compile(r"(?P<keep>[?&](?:[\w-]*key|[\w-]*token|[\w-]*secret|sig|signature)=)[^&\s\"'<>]+", re.IGNORECASE),
    ),
    (
        ("pi-key", "pi_key", "piKey", "PI-KEY", "pi-Key", "PI_KEY"),
        re.compile(r"(?P<keep>api[-_]?key[\"']?\s*[:=]\s*[\"']?)(?=\S*\d|\S{20})[\w.~+/=-]{8,}", re.IGNORECASE),
    ),
    (("://",), re.compile(r"(?P<keep>\w://[^\s/:@]{0,64}:)[^\s/@]+(?=@)")),
    (("AIza",), re.compile(r"(?P<keep>)\bAIza[\w-]{30,}")),
    (("AKIA", "ASIA"), re.compile(r"(?P<keep>)\bA[KS]IA[0-9A-Z]{16}\b")),
    (("hf_", "gsk_", "xai-", "nvapi-", "pplx-", "r8_"), re.compile(
        r"(?P<keep>)(?<![A-Za-z0-9])(?:hf_|gsk_|xai-|nvapi-|pplx-|r8_)[A-Za-z0-9_-]{20,}")),
    (("ghp_", "gho_", "ghs_", "ghu_", "ghr_", "github_pat_"), re.compile(
        r"(?P<keep>)\b(?:gh[pousr]_|github_pat_)[A-Za-z0-9_]{20,}")),
)  # fmt: skip

_registered: set[str] = set()
_needles: tuple[str, ...] = ()  # every spelling of every known key, longest first
_environment_size = -1  # of the environment the needles were made from


def register(key: str) -> None:
    """Remember a key for the life of the process, so that ``redact`` finds it. Never written anywhere."""
    _registered.add(key)
    refresh()


def refresh() -> None:
    """Read the environment again. Called when an LM is made and when a provider's error is turned into ours.

    ``redact`` notices by itself when variables come or go, but not when one changes its value.
    """
    global _needles, _environment_size
    found = {key for key in _registered | _keys_of(os.environ) if _is_key(key)}
    spellings = {spelling for key in found for spelling in (key, quote(key, safe=""), json.dumps(key)[1:-1])}
    _needles = tuple(sorted(spellings, key=lambda text: (-len(text), text)))
    _environment_size = len(os.environ)


def _is_key(value: str) -> bool:
    return len(value) >= (2 * SHORTEST_KEY if value.isalpha() else SHORTEST_KEY)


def _keys_of(environment: Mapping[str, str]) -> set[str]:
    return {value.strip() for name, value in environment.items() if _KEY_VARIABLE.fullmatch(name)}


def redact(text: str) -> str:
    """``text`` with every key replaced by ``[redacted]``; the same object where there is none.

    Found are the values of environment variables named like a key (``OPENAI_API_KEY``, ``HF_TOKEN``, …), keys given to
    an ``LM``, also where they are percent-encoded or escaped for JSON, and what looks like a key: ``sk-…``,
    ``Bearer …``, ``?api_key=…``, a password in a URL, and the forms of the large providers.

    >>> redact("refused: Bearer abcdef123456")
    'refused: Bearer [redacted]'
    >>> redact("nothing to hide")
    'nothing to hide'
    """
    if len(os.environ) != _environment_size:
        refresh()
    for needle in _needles:
        if needle in text:
            text = text.replace(needle, REDACTED)
    for hints, pattern in _PATTERNS:
        for hint in hints:
            if hint in text:
                text = pattern.sub(rf"\g<keep>{REDACTED}", text)
                break
    return text


class Secret:
    """A key that does not show itself: ``str``, ``repr`` and ``format`` say ``[redacted]``. It cannot be pickled.

    Making one registers its value with ``redact``.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        register(value)

    def reveal(self) -> str:
        """The key itself. For the line that sends it, and for nothing else."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return REDACTED

    def __reduce__(self) -> str:
        raise TypeError("a key is not written anywhere; give it again with LM(key=…) or in the environment")
