"""Ops: plain Python functions in a graph. A graph names them; a table gives the functions."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import pydantic_core

from treadle.compiler.annotations import Annotation
from treadle.compiler.errors import DeclarationError
from treadle.compiler.graph.parameters import Parameter

LIBRARY_PREFIX = "treadle:"
"""Names of ops that ship with Treadle; they load from a file alone."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Op:
    """A function a program may call beside its steps. It neither changes nor keeps its arguments.

    Attributes:
        name: The function's name, unique in a program; library ops start with ``treadle:``.
        function: What is called.
        returns: The return type, ``Any`` where the function does not say.
        takes: Types of the arguments by name, as far as the function says.
        effects: It changes the world: it waits for all that comes before it in program order.
        blocking: It waits for something outside Python and gets a thread.
        idempotent: Repeating it does no harm, so a search may run it although it has effects.
        trainable: Its body is a parameter of the search.
        parameter: What it stands for, if it is no function of the user's but a value that search may change.
    """

    name: str
    function: Callable[..., Any]
    returns: Annotation = Any
    takes: Mapping[str, Annotation] = dataclasses.field(default_factory=dict)
    effects: bool = False
    blocking: bool = False
    idempotent: bool = False
    trainable: bool = False
    parameter: Parameter | None = None

    @property
    def address(self) -> str:
        """Where a candidate has the value that takes its place; see ``parameters.py``."""
        return f".{self.name}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type, handler: object) -> pydantic_core.CoreSchema:
        """A field of a module that holds an op holds it as it is; pydantic does not look into it."""
        return pydantic_core.core_schema.is_instance_schema(cls)

    @property
    def is_async(self) -> bool:
        """Whether calling it gives an awaitable."""
        return inspect.iscoroutinefunction(self.function)

    def argument_names(self, count: int) -> tuple[str, ...]:
        """Names of the first ``count`` arguments by position; their numbers where the function does not say."""
        try:
            parameters = list(inspect.signature(self.function).parameters.values())
        except (TypeError, ValueError):  # a builtin without a signature
            parameters = []
        kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        known = [parameter.name for parameter in parameters if parameter.kind in kinds]
        return tuple(known[place] if place < len(known) else str(place) for place in range(count))


_LIBRARY: dict[str, Op] = {}


def library_op(name: str, *, blocking: bool = False) -> Callable[[Callable[..., Any]], Op]:
    """Register a function as the op ``treadle:<name>``. For Treadle's own modules.

    Args:
        name: The name without its prefix.
        blocking: It waits for something outside Python and gets a thread.

    Raises:
        DeclarationError: The name is taken.
    """

    def register(function: Callable[..., Any]) -> Op:
        full = LIBRARY_PREFIX + name
        if full in _LIBRARY:
            msg = f"the library op {full!r} is registered twice"
            raise DeclarationError(msg)
        hints = inspect.get_annotations(function, eval_str=True)
        returns = hints.pop("return", Any)
        _LIBRARY[full] = Op(name=full, function=function, returns=returns, takes=hints, blocking=blocking)
        return _LIBRARY[full]

    return register


def library() -> Mapping[str, Op]:
    """All library ops registered so far, by full name."""
    return _LIBRARY
