"""What a program is declared as: its function and what was captured of it, shared by all programs made from it."""

from __future__ import annotations

import dataclasses
import threading
import typing
from collections.abc import Callable
from functools import cached_property
from typing import Any, Protocol

from treadle.compiler.errors import CaptureError, DeclarationError, SignatureError
from treadle.compiler.frontend.captured import Captured
from treadle.compiler.signature import Signature


class Declaration(Protocol):
    """Where a program comes from: a function, or a file."""

    @property
    def signature(self) -> Signature:
        """Inputs and output."""
        ...

    @property
    def function(self) -> Callable[..., Any] | None:
        """What a host-mode run calls; ``None`` where only the graph is known."""
        ...

    @property
    def is_async(self) -> bool:
        """Whether calling the program gives an awaitable."""
        ...

    @property
    def captured(self) -> Captured:
        """What capture found; the first use makes it.

        Raises:
            CaptureError: The program must be a graph and is not one.
            DeclarationError: A call or an edge in it is wrong.
        """
        ...


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class FromFile:
    """A program that is known by its graph alone."""

    signature: Signature
    captured: Captured
    function: None = None
    is_async: bool = False


class FromFunction:
    """A program that was declared by a function, of a module or bound to an instance.

    Args:
        function: The function as the user wrote it.
        signature: Its inputs and output.
        require: ``"graph"`` where host mode is an error.
        instance: What ``self`` is, for a method.
    """

    def __init__(
        self, function: Callable[..., Any], signature: Signature, require: str | None, instance: object = None
    ) -> None:
        self.plain = function
        self.signature = signature
        self.require = require
        self.instance = instance
        self.busy = threading.local()
        self._lock = threading.RLock()

    @property
    def function(self) -> Callable[..., Any]:
        """The function, bound to its instance."""
        return self.plain if self.instance is None else typing.cast(Any, self.plain).__get__(self.instance)

    @cached_property
    def is_async(self) -> bool:
        """Whether it was declared with ``async def``."""
        import inspect

        return inspect.iscoroutinefunction(self.plain)

    def of_instance(self, instance: object) -> FromFunction:
        """The declaration of a method for one instance: kept with it, made anew when a captured attribute changed."""
        key = f"__treadle_{self.signature.name}__"
        kept = getattr(instance, "__dict__", {}).get(key)
        if (
            isinstance(kept, FromFunction)
            and kept.instance is instance
            and kept.plain is self.plain
            and kept.is_current
        ):
            return kept
        made = FromFunction(self.plain, self.signature, self.require, instance)
        if hasattr(instance, "__dict__"):
            instance.__dict__[key] = made
        return made

    @property
    def is_current(self) -> bool:
        """Whether the instance's attributes are still those that were captured."""
        captured = self.__dict__.get("_captured")
        if captured is None:
            return True
        return all(getattr(self.instance, name, None) is value for name, value in captured.attributes.items())

    @property
    def is_being_captured(self) -> bool:
        """Whether this thread is capturing it: then a call of it found meanwhile is a recursion."""
        return getattr(self.busy, "now", False)

    @property
    def captured(self) -> Captured:
        """What capture found; the first use makes it."""
        with self._lock:
            found = self._captured
        if self.require == "graph" and found.graph is None:
            lines = "\n".join(f"  {reason}" for reason in found.capture.reasons)
            msg = f"program {self.signature.name!r} has to be a graph and is not one:\n{lines}"
            raise CaptureError(msg, [str(reason) for reason in found.capture.reasons])
        return found

    @cached_property
    def _captured(self) -> Captured:
        from treadle.compiler.frontend.capture import capture

        self.busy.now = True
        try:
            return capture(self.plain, self.signature, self.instance)
        finally:
            self.busy.now = False


def declare(function: Callable[..., Any], name: str | None, require: str | None) -> FromFunction:
    """The declaration ``@program`` makes.

    Raises:
        DeclarationError: ``function`` is not a plain function.
        SignatureError: An argument has no usable type hint.
    """
    import inspect

    from treadle.compiler.hints import from_program

    if not inspect.isfunction(function):
        msg = f"@program goes on a function with type hints, not on {function!r}"
        raise DeclarationError(msg)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        msg = f"program {function.__name__!r} yields: return a list instead"
        raise SignatureError(msg)
    return FromFunction(function, from_program(function, name=name), require)
