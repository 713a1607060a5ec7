"""Library ops that captured programs call: they ship with Treadle and run from a file alone."""

from __future__ import annotations

import builtins

from treadle.compiler.errors import GraphError
from treadle.compiler.graph.op import library_op

_NO_MESSAGE = object()


@library_op("assert")
def check(condition: object, message: object = _NO_MESSAGE) -> None:
    """``assert condition, message``.

    Raises:
        AssertionError: The condition is false.
    """
    if condition:
        return
    if message is _NO_MESSAGE:
        raise AssertionError
    raise AssertionError(message)


@library_op("raise")
def fail(kind: str, *args: object) -> None:
    """``raise kind(*args)`` for one of Python's own exceptions.

    Raises:
        Exception: The one that was asked for.
        GraphError: ``kind`` is not an exception of Python's.
    """
    found = getattr(builtins, kind, None)
    if not (isinstance(found, type) and issubclass(found, Exception)):
        msg = f"{kind!r} is not one of Python's exceptions"
        raise GraphError(msg)
    raise found(*args)
