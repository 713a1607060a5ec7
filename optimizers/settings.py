"""Checking an optimizer's settings when it is made, before anything is paid for."""

from __future__ import annotations

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
