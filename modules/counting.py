"""Sums and products of LM calls, where ``None`` is a number nobody knows."""

from __future__ import annotations


def total(*calls: int | None) -> int | None:
    """The sum; ``None`` where a part is unknown."""
    known = [count for count in calls if count is not None]
    return sum(known) if len(known) == len(calls) else None


def product(times: int, calls: int | None) -> int | None:
    """So many times the calls; nothing times anything is nothing."""
    if times == 0:
        return 0
    return None if calls is None else times * calls


def most(*calls: int | None) -> int | None:
    """The largest; ``None`` where one is unknown."""
    known = [count for count in calls if count is not None]
    return max(known, default=0) if len(known) == len(calls) else None
