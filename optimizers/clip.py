"""Making text fit: a long value keeps its head and its tail, and a hash tells equal ones from different ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from treadle.compiler.canonical import JSON

SHORTEST = 48
"""Characters a value is never cut below: its size, its hash and a little of both ends."""


def as_text(value: JSON) -> str:
    """The value as JSON on one line, letters as they are.

    >>> as_text({"b": "é", "a": 1})
    '{"a": 1, "b": "é"}'
    """
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str).encode("utf-8", "replace").decode()


def clip(text: str, size: int) -> str:
    """``text`` in at most ``size`` characters, 48 or more: its head, how long it is and its hash, its tail.

    >>> clip("abc" * 40, 60)
    'abcabcabcabcabca…[120 characters, #b02c2454]…abcabcabcabcabc'
    """
    if len(text) <= size:
        return text
    middle = f"…[{len(text)} characters, #{hashlib.sha256(text.encode()).hexdigest()[:8]}]…"
    left = max(0, size - len(middle))
    head, tail = (left + 1) // 2, left // 2
    return text[:head] + middle + (text[-tail:] if tail else "")


def fit(texts: Sequence[str], size: int) -> list[str]:
    """The texts, the longest clipped, so that together they have at most ``size`` characters if that can be.

    All that are clipped get the same room; none is clipped below ``SHORTEST``.

    >>> [len(text) for text in fit(["a" * 10, "b" * 500, "c" * 500], 210)]
    [10, 100, 100]
    """
    return [clip(text, room(texts, size)) for text in texts]


def room(texts: Sequence[str], size: int) -> int:
    """The most characters each text may have."""
    lengths = sorted(map(len, texts))
    left = size
    for index, length in enumerate(lengths):
        share = left // (len(lengths) - index)
        if length > share:
            return max(share, SHORTEST)
        left -= length
    return max(lengths, default=SHORTEST)


def shares(wanted: Sequence[int], weights: Sequence[float], size: int) -> list[int]:
    """How many of ``size`` characters each part gets: what it wants if its share allows, and what others leave over.

    >>> shares([10, 500, 500], [1, 1, 2], 310)
    [10, 100, 200]
    """
    given = [0] * len(wanted)
    open_ = list(range(len(wanted)))
    left = size
    while open_:
        total = sum(weights[index] for index in open_)
        content = [index for index in open_ if wanted[index] <= left * weights[index] / total]
        if not content:
            for index in open_:
                given[index] = int(left * weights[index] / total)
            break
        for index in content:
            given[index] = wanted[index]
        left -= sum(wanted[index] for index in content)
        open_ = [index for index in open_ if index not in content]
    return given
