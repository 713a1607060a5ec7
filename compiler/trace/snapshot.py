"""Copies of values as JSON, taken when a call starts and when it ends, so that later changes do not reach a trace."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from treadle.compiler.canonical import JSON
from treadle.compiler.values import dump, shown

_LONGEST_REPR = 200
_UNCHANGING = frozenset({str, int, bool, type(None)})


def snapshot(value: object) -> JSON:
    """``value`` as JSON, detached from it. A value without a JSON form is told by its ``repr``; never raises.

    >>> snapshot([1, "a"]), snapshot(float("inf"))
    ([1, 'a'], 'inf')
    """
    kind = type(value)
    if kind in _UNCHANGING:
        return value  # type: ignore[return-value]  # checked through `kind`, for speed
    if kind is float:
        return value if math.isfinite(value) else repr(value)  # type: ignore[arg-type, return-value]
    if kind is list and all(type(item) is str for item in value):  # type: ignore[attr-defined]
        return list(value)  # type: ignore[call-overload, no-any-return]
    if isinstance(value, Iterator):  # writing it down would use it up
        return _told(value)
    return _dumped(value)


def snapshots(values: Mapping[str, object]) -> dict[str, JSON]:
    """A snapshot of each value."""
    return {name: snapshot(value) for name, value in values.items()}


def _dumped(value: object) -> JSON:
    try:
        return dump(value)
    except Exception:  # a serialiser of the user's own may raise anything, and a trace must not fail a run
        return _told(value)


def _told(value: object) -> str:
    try:
        return shown(value, _LONGEST_REPR)
    except Exception:
        return f"<{type(value).__name__}>"
