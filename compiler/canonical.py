"""Canonical JSON: one text per value, so that equal values have equal hashes in every process."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TypeAlias

JSON: TypeAlias = bool | int | float | str | Sequence["JSON"] | Mapping[str, "JSON"] | None
"""A value JSON can hold. Treat it as read-only."""

_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def canonical(value: JSON) -> str:
    """The one JSON text of ``value``: sorted keys, no spaces, ASCII only.

    Raises:
        ValueError: ``value`` holds NaN or an infinity.
        TypeError: ``value`` holds something JSON cannot.

    >>> canonical({"b": 1, "a": [True, None]})
    '{"a":[true,null],"b":1}'
    """
    return _ENCODER.encode(value)


def digest(value: JSON, length: int = 16) -> str:
    """The first ``length`` hexadecimal digits of the SHA-256 of ``canonical(value)``.

    >>> digest({"a": 1}) == digest({"a": 1})
    True
    """
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:length]
