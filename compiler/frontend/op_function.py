"""Ops as functions: what ``@op`` makes, and the op any plain function is."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast, overload

from treadle.compiler.annotations import Annotation
from treadle.compiler.graph.op import Op
from treadle.compiler.graph.parameters import Parameter

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R", covariant=True)
Self = TypeVar("Self")


class OpFunction(Generic[P, R]):
    """A function that programs call as an op; called anywhere it does what the function does. Made by ``op``.

    Attributes:
        op: The op as a graph knows it.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        effects: bool = False,
        blocking: bool = False,
        idempotent: bool = False,
        trainable: bool = False,
        parameter: Parameter | None = None,
        returns: Annotation = None,
    ) -> None:
        self.op = op_of(
            function, name=name, effects=effects, blocking=blocking, idempotent=idempotent, trainable=trainable
        )
        if parameter is not None:
            self.op = dataclasses.replace(self.op, parameter=parameter, returns=returns)
        functools.update_wrapper(self, function)

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """What the function gives; the trace of a run around it shows the call."""
        from treadle.compiler.runtime.hosted import call_op

        return cast(R, call_op(self.op, args, kwargs))

    @overload
    def __get__(self, instance: None, owner: type) -> OpFunction[P, R]: ...
    @overload
    def __get__(self: OpFunction[Concatenate[Self, Q], R], instance: Self, owner: type) -> OpFunction[Q, R]: ...
    def __get__(self, instance: object, owner: type) -> OpFunction[Any, Any]:
        if instance is None:
            return self
        op = self.op
        return OpFunction(
            functools.partial(op.function, instance),
            name=op.name,
            effects=op.effects,
            blocking=op.blocking,
            idempotent=op.idempotent,
            trainable=op.trainable,
        )

    def __repr__(self) -> str:
        return f"<op {self.op.name}>"


def op_of(
    function: Callable[..., Any],
    *,
    name: str | None = None,
    effects: bool = False,
    blocking: bool = False,
    idempotent: bool = False,
    trainable: bool = False,
) -> Op:
    """The op a plain function is; its types are what its hints say."""
    hints = hints_of(function)
    return Op(
        name=name or name_of(function),
        function=function,
        returns=_shown(hints.pop("return", Any)),
        takes=hints,
        effects=effects,
        blocking=blocking,
        idempotent=idempotent,
        trainable=trainable,
    )


def _shown(annotation: Annotation) -> Annotation:
    return type(None) if annotation is None else annotation


def name_of(function: Callable[..., Any]) -> str:
    """The name of a function, of what a partial wraps, or of a callable object's class."""
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))


def hints_of(function: Callable[..., Any]) -> dict[str, Annotation]:
    """The function's type hints; none where they cannot be read. A class gives itself."""
    if inspect.isclass(function):
        return {"return": function}
    while isinstance(function, functools.partial):
        function = function.func
    try:
        return typing.get_type_hints(function)
    except Exception:  # hints are the user's expressions: whatever they raise, they say nothing
        return {}


def bind_names(function: Callable[..., Any], args: int, keywords: Mapping[str, object]) -> tuple[str, ...] | None:
    """Names of the first ``args`` positional arguments, or ``None`` where the function does not say them all.

    Raises:
        TypeError: The function cannot be called with as many arguments and these keywords, in Python's words.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # a builtin that does not say
        return None
    bound = signature.bind(*[None] * args, **dict.fromkeys(keywords))
    places = [p for p in signature.parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    plain = not any(p.kind in (p.POSITIONAL_ONLY, p.VAR_POSITIONAL) for p in signature.parameters.values())
    del bound
    return tuple(p.name for p in places[:args]) if plain and len(places) >= args else None
