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
from typing import Any
from urllib.parse import quote

from treadle.compiler.canonical import JSON

REDACTED = "[redacted]"
"""What stands where a key stood."""

_REPLACEMENT = rf"\g<keep>{REDACTED}"

SHORTEST_KEY = 8
"""Values with fewer characters are not looked for, nor single words below twice that: they are placeholders."""

_KEY_VARIABLE = re.compile(
    r".*(?:(?:API|ACCESS|SECRET|SUBSCRIPTION|PRIVATE|AUTH)_?KEY(?:_ID)?|TOKEN|SECRET|PASSWORD|PASSWD)", re.IGNORECASE
)

_BEARER = re.compile(r"(?P<keep>\bbearer\s+)(?=\S*\d|\S{20})[\w.~+/=-]{8,}", re.IGNORECASE)
_BASIC = re.compile(r"(?P<keep>authorization\W{1,4}basic\s+)[\w+/=-]{8,}", re.IGNORECASE)
_HEADER = re.compile(r"(?P<keep>api[-_]?key[\"']?\s*[:=]\s*[\"']?)(?=\S*\d|\S{20})[\w.~+/=-]{8,}", re.IGNORECASE)
_QUERY = re.compile(r"(?P<keep>[?&](?:[\w-]*key|[\w-]*token|[\w-]*secret|sig|signature)=)[^&\s\"'<>]+", re.IGNORECASE)
_PASSWORD = re.compile(r"(?P<keep>\w://[^\s/:@]{0,64}:)[^\s/@]+(?=@)")
_DASHED = re.compile(r"(?P<keep>)(?<![A-Za-z0-9])(?:[sr]k-[\w-]{12,}|(?:xai|nvapi|pplx)-[\w-]{20,})", re.ASCII)
_UNDERSCORED = re.compile(
    r"(?P<keep>)(?<![A-Za-z0-9])(?:[sr]k_\w{12,}|(?:hf|gsk|r8|gh[pousr]|github_pat)_\w{20,})", re.ASCII
)
_GOOGLE = re.compile(r"(?P<keep>)\bAIza[\w-]{30,}", re.ASCII)
_AMAZON = re.compile(r"(?P<keep>)\bA[KS]IA[0-9A-Z]{16}\b")


def _ending(last: str, *words: str) -> re.Pattern[str]:
    """Finds words that end with a rare character: looking for that costs a tenth of looking for each of them."""
    return re.compile(f"{last}(?:{'|'.join(f'(?<={word}{last})' for word in words)})")


# A pattern is tried where its character and its hint occur, in small letters: looking for these costs a hundredth of
# trying it. The group "keep" stays. Where an ordinary word may follow, a digit is wanted, or a length that words do not
# have.
_PATTERNS: tuple[tuple[str, re.Pattern[str], re.Pattern[str]], ...] = (
    ("b", re.compile("bearer"), _BEARER),
    ("z", re.compile("authorization"), _BASIC),
    ("k", re.compile("api[-_]?key"), _HEADER),
    ("=", _ending("=", "key", "token", "secret", "sig", "signature"), _QUERY),
    ("@", re.compile("://"), _PASSWORD),
    ("-", _ending("-", "sk", "rk", "xai", "nvapi", "pplx"), _DASHED),
    ("_", _ending("_", "sk", "rk", "hf", "r8", "ghp", "gho", "ghs", "ghu", "ghr", "github_pat"), _UNDERSCORED),
    ("z", re.compile("aiza"), _GOOGLE),
    ("", re.compile("a[ks]ia"), _AMAZON),
)

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
    small = text.lower()
    for character, hint, pattern in _PATTERNS:
        if character in small and hint.search(small) is not None:
            text = pattern.sub(_REPLACEMENT, text)
    return text


def redact_json(value: JSON) -> JSON:
    """``value`` without keys in any of its texts; the same object where there are none.

    To be used before a value becomes JSON text: there a line break before a key is the letter ``n``, which hides it.

    >>> redact_json({"url": "https://host/?api_key=abc", "tries": [1, 2]})
    {'url': 'https://host/?api_key=[redacted]', 'tries': [1, 2]}
    """
    together = "\n".join(_texts(value))  # one search in all of them costs a fifth of a search in each
    return value if redact(together) is together else _redacted(value)


def _texts(value: JSON) -> list[str]:
    texts: list[str] = []
    left: list[Any] = [value]
    while left:
        part = left.pop()
        kind = type(part)
        if kind is str:
            texts.append(part)
        elif kind is dict:
            texts += part
            left += part.values()
        elif kind is list or kind is tuple:
            left += part
        elif isinstance(part, str):  # from here on what is rare
            texts.append(part)
        elif isinstance(part, Mapping):
            left.append(dict(part))
        elif isinstance(part, list | tuple):
            left.append([*part])
    return texts


def _redacted(value: JSON) -> JSON:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {redact(name): _redacted(part) for name, part in value.items()}
    return [_redacted(part) for part in value] if isinstance(value, list | tuple) else value


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
