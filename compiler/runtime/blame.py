"""Source with the line to blame marked: what a reader of a failure needs to see."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from treadle.compiler.errors import CodeError

_SHOWN = 30  # lines on either side of the one to blame
_LONGEST = 4_000


def annotated(source: str, line: int, message: str) -> str:
    r"""``source`` with line numbers, and the message under the line (from 1) that raised.

    >>> print(annotated("def f(x):\n    return int(x)", 2, "ValueError: no number"))
      1 | def f(x):
    > 2 |     return int(x)
        ^ ValueError: no number
    """
    lines = source.splitlines()
    width = len(str(len(lines)))
    shown: list[str] = []
    for number, text in enumerate(lines, start=1):
        if abs(number - line) <= _SHOWN:
            shown.append(f"{'>' if number == line else ' '} {number:>{width}} | {text}")
            if number == line:
                shown.append(f"{' ' * (width + 3)}^ {message}")
    return "\n".join(shown)[:_LONGEST]


def blame(error: BaseException, function: Callable[..., Any]) -> str:
    """The source of ``function`` with the line marked through which ``error`` came; empty where it is not known."""
    if isinstance(error, CodeError):
        return error.where
    code = getattr(inspect.unwrap(function), "__code__", None)
    found, frame = None, error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_code is code:
            found = frame.tb_lineno
        frame = frame.tb_next
    if code is None or found is None:
        return ""
    try:
        lines, first = inspect.getsourcelines(code)
    except (OSError, TypeError):
        return ""
    return annotated("".join(lines), found - first + 1, f"{type(error).__name__}: {error}")
