"""Size limits of expressions, so that a short file cannot ask for a huge value.

A program that comes from a file is data somebody else wrote. ``'a' * 10**9`` is eight characters of it. Every operation
that can make a value much larger than its operands asks here first; what is refused was never allocated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from typing import Any

from treadle.compiler.errors import GraphError

LARGEST_TEXT = 64 * 1024 * 1024
"""Most characters a text made by an expression may have."""

LARGEST_COLLECTION = 10_000_000
"""Most elements a collection made by an expression may have, and most turns of its loops."""

LARGEST_INTEGER = 1_000_000
"""Most bits of an integer made by an expression."""

LARGEST_FIELD = 1_000_000
"""Largest width or precision in a format."""

_NUMBER = re.compile(r"\d+")
_PERCENT_FIELD = re.compile(r"%[^%a-zA-Z]*(\*|\d{7,})")


def refuse(what: str, size: float, limit: int) -> None:
    """Refuse ``size`` if it is above ``limit``.

    Raises:
        GraphError: It is.
    """
    if size > limit:
        msg = f"an expression would make {what} of size {size:.0f}; the limit is {limit}: compute it in an op"
        raise GraphError(msg)


def limit_of(value: object) -> int:
    """The limit that holds for a text or a collection."""
    return LARGEST_TEXT if isinstance(value, str | bytes) else LARGEST_COLLECTION


def guard_add(left: Any, right: Any) -> None:
    """Before ``left + right``."""
    if isinstance(left, Sized) and isinstance(right, Sized):
        refuse("a value", len(left) + len(right), limit_of(left))


def guard_multiply(left: Any, right: Any) -> None:
    """Before ``left * right``."""
    if isinstance(left, int) and isinstance(right, int):
        refuse("an integer", left.bit_length() + right.bit_length(), LARGEST_INTEGER)
    elif isinstance(left, Sized) and isinstance(right, int):
        refuse("a value", len(left) * max(right, 0), limit_of(left))
    elif isinstance(right, Sized) and isinstance(left, int):
        refuse("a value", len(right) * max(left, 0), limit_of(right))


def guard_power(left: Any, right: Any) -> None:
    """Before ``left ** right``."""
    if isinstance(left, int) and isinstance(right, int):
        refuse("an integer", left.bit_length() * max(right, 0), LARGEST_INTEGER)


def guard_shift(left: Any, right: Any) -> None:
    """Before ``left << right``."""
    if isinstance(left, int) and isinstance(right, int):
        refuse("an integer", left.bit_length() + max(right, 0), LARGEST_INTEGER)


def guard_percent(left: Any, right: Any) -> None:
    """Before ``left % right``, which formats when ``left`` is a text."""
    if isinstance(left, str):
        if _PERCENT_FIELD.search(left):
            refuse("a formatted text", LARGEST_FIELD + 1, LARGEST_FIELD)
        guard_text(right)


def guard_format(value: object, spec: str) -> None:
    """Before ``format(value, spec)``."""
    for digits in _NUMBER.findall(spec):
        refuse("a formatted field", int(digits) if len(digits) < 10 else float("inf"), LARGEST_FIELD)
    guard_text(value)


def guard_text(value: object) -> None:
    """Before ``str(value)``: nested lists of shared lists are small in memory and endless as text."""
    if isinstance(value, list | tuple | dict | set | frozenset):
        refuse("a text", _written(value, LARGEST_TEXT), LARGEST_TEXT)


def _written(value: object, limit: int, depth: int = 0) -> int:
    """About how many characters ``repr(value)`` has; stops counting above ``limit``, and where a value holds itself."""
    if isinstance(value, str):
        return len(value) + 2
    parts: Iterable[object] = ()
    if depth > 100:
        return 2
    if isinstance(value, dict):
        parts = (part for pair in value.items() for part in pair)
    elif isinstance(value, list | tuple | set | frozenset):
        parts = value
    total = 2
    for part in parts:
        total += _written(part, limit - total, depth + 1) + 2
        if total > limit:
            break
    return total


def guard_join(separator: str, parts: Sequence[object]) -> None:
    """Before ``separator.join(parts)``."""
    texts = sum(len(part) for part in parts if isinstance(part, str))
    refuse("a text", texts + len(separator) * len(parts), LARGEST_TEXT)


def guard_replace(text: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Before ``text.replace(old, new)``."""
    if len(args) >= 2 and isinstance(args[0], str) and isinstance(args[1], str) and len(args[1]) > len(args[0]):
        grows = (text.count(args[0]) if args[0] else len(text) + 1) * (len(args[1]) - len(args[0]))
        refuse("a text", len(text) + grows, LARGEST_TEXT)


def guard_width(text: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Before ``text.ljust(width)`` and its like."""
    for value in (*args, *kwargs.values()):
        if isinstance(value, int):
            refuse("a padded text", value * max(text.count("\t"), 1), LARGEST_TEXT)


def guarded_range(*args: Any) -> range:
    """``range(...)`` of at most ``LARGEST_COLLECTION`` numbers."""
    made = range(*args)
    size = max(0, (made.stop - made.start) // made.step)
    refuse("a range", size, LARGEST_COLLECTION)
    return made


def guarded_sum(items: Iterable[Any], /, start: Any = 0) -> Any:
    """``sum(...)``, watched when it concatenates."""
    if not isinstance(start, list | tuple):
        return sum(items, start)
    total = start
    for item in items:
        guard_add(total, item)
        total = total + item
    return total


def counted(items: Iterable[Any], turns: list[int]) -> Iterable[Any]:
    """The items, counting turns over all loops of one expression."""
    for item in items:
        turns[0] += 1
        if turns[0] > LARGEST_COLLECTION:
            refuse("a loop", turns[0], LARGEST_COLLECTION)
        yield item


def guarded_text(convert: Callable[..., str]) -> Callable[..., str]:
    """``str`` or ``repr``, refusing values that would be endless as text."""

    def text(*args: Any, **kwargs: Any) -> str:
        for value in args:
            guard_text(value)
        return convert(*args, **kwargs)

    return text
