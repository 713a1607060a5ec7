"""What a function says of itself: told to models that may choose it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


def summary(function: Callable[..., Any]) -> str:
    """The first paragraph of a function's docstring, on one line; empty where it has none."""
    return " ".join((inspect.getdoc(function) or "").partition("\n\n")[0].split())
