"""Undecorated functions that call steps, taken as programs."""

from __future__ import annotations

import weakref
from typing import Any

from treadle.compiler.errors import DeclarationError
from treadle.compiler.frontend.program import Program

_made: weakref.WeakKeyDictionary[Any, Program[..., Any] | str] = weakref.WeakKeyDictionary()


def program_of(function: Any) -> Program[..., Any] | str:
    """The program an undecorated function would be, or why it cannot be one. Kept with the function."""
    try:
        found = _made.get(function)
    except TypeError:
        return "is not a plain function"
    if found is None:
        try:
            found = Program.of_function(function)
        except DeclarationError as error:
            found = f"cannot be taken as a program ({error})"
        _made[function] = found
    return found
