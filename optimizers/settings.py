"""Checking an optimizer's settings when it is made, before anything is paid for."""

from __future__ import annotations

from collections.abc import Sequence

from treadle.compiler.errors import ConfigurationError


def at_least(optimizer: object, low: int, *names: str) -> None:
    """Refuse settings below ``low``; ``None`` is a setting that was left to the optimizer.

    Raises:
        ConfigurationError: Names the optimizer, the setting and what it takes.
    """
    for name in names:
        value = getattr(optimizer, name)
        if value is not None and value < low:
            msg = f"{type(optimizer).__name__}({name}={value}): {name} takes {low} or more"
            raise ConfigurationError(msg)


def one_of(optimizer: object, name: str, allowed: Sequence[str]) -> None:
    """Refuse a setting that is none of those allowed.

    Raises:
        ConfigurationError: Names the optimizer, the setting and what it takes.
    """
    value = getattr(optimizer, name)
    if value not in allowed:
        msg = f"{type(optimizer).__name__}({name}={value!r}): {name} takes {', '.join(allowed)}"
        raise ConfigurationError(msg)
