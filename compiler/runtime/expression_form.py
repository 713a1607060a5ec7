"""What the forms of an expression share: how one is compiled into a closure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

Code: TypeAlias = Callable[[tuple[Any, ...]], Any]
"""A compiled expression: from the node's inputs, and the variables bound so far behind them, to the value."""

Inner: TypeAlias = Callable[[Any], Code]
"""Compiles an expression nested in the one at hand."""

Form: TypeAlias = Callable[[Sequence[Any], Inner], Code]
"""Compiles one form from what stands behind its name."""

DEEPEST = 100
"""How deep forms and patterns may nest."""


def index(value: Any) -> int:
    """``value``, which must be a number from 0.

    Raises:
        ValueError: It is not.
    """
    if type(value) is not int or value < 0:
        raise ValueError(value)
    return value
