"""Predictors: what ``@predict`` makes of a function with a docstring and no body."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, cast, overload

from treadle.compiler.errors import DeclarationError
from treadle.compiler.graph import nodes
from treadle.compiler.graph.op import Op
from treadle.compiler.lm.lm import LM
from treadle.compiler.module import Module, expand_step
from treadle.compiler.prompt.demo import Demo
from treadle.compiler.signature import Signature

if TYPE_CHECKING:  # a program that is only declared does not pay for what runs it
    from treadle.compiler.lm.protocol import Message
    from treadle.compiler.runtime.session import Session

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R", covariant=True)
T = TypeVar("T")
Self = TypeVar("Self")


class PredictorFunction(Generic[P, R]):
    """A step as a function: called in a program it is a step of it, called by itself it runs alone.

    Made by ``predict``. Immutable; ``copy`` gives one with parameters of its own.

    Attributes:
        name: Its name: in spans, in drawings, and where its parameters are addressed.
        signature: Inputs, output and instruction.
        module: How it is answered; ``None`` is a bare LM call.
        is_async: Whether calling it gives an awaitable.
        declared: All of it as data: what a graph knows of it.
    """

    def __init__(
        self,
        signature: Signature,
        *,
        function: Callable[..., object] | None = None,
        module: Module | None = None,
        lm: LM | None = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
        demos: tuple[Demo, ...] = (),
    ) -> None:
        self.name = signature.name
        self.signature = signature
        self.module = module
        self.lm = lm
        self.is_async = inspect.iscoroutinefunction(function)
        self.declared = nodes.Predictor(
            signature=signature,
            module=None if module is None else module.to_json(),
            demos=demos,
            model=None if lm is None else lm.model,
            temperature=temperature,
            max_tokens=max_tokens,
        )
        if module is not None:  # what it cannot serve is refused here, at the declaration
            expand_step(self.name, self.declared, {}, lm_temperature=None if lm is None else lm.temperature)
        self._function = function
        if function is not None:
            self.__doc__ = function.__doc__
            self.__module__ = function.__module__
            self.__qualname__ = getattr(function, "__qualname__", self.name)
        self.__name__ = self.name

    @property
    def __wrapped__(self) -> Callable[..., object]:
        """The function as the user wrote it."""
        if self._function is None:
            raise AttributeError("__wrapped__")
        return self._function

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """The step's value; an awaitable of it where it was declared with ``async def``.

        Raises:
            InputError: An input is missing, unknown or of the wrong type.
            ConfigurationError: No LM is bound.
            LMError: The provider failed.
            ReplyError: The reply does not fit the output type, also after one re-ask.
        """
        return cast(R, self.start(args, kwargs))

    @overload
    def acall(
        self: PredictorFunction[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, T]: ...
    @overload
    def acall(self, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]: ...
    def acall(self, /, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        """The same, awaitable, however it was declared."""
        return self.run(args, kwargs)

    def start(self, args: tuple[object, ...], kwargs: Mapping[str, object], context: Context = ()) -> Any:
        """Run, or give an awaitable, as it was declared."""
        from treadle.compiler.runtime.background import wait

        running = self.run(args, kwargs, context)
        return running if self.is_async else wait(running)

    def run(
        self, args: tuple[object, ...], kwargs: Mapping[str, object], context: Context = ()
    ) -> Coroutine[Any, Any, Any]:
        """A coroutine that runs the step; called synchronously by whoever the call site is."""
        from treadle.compiler.frontend.host import refuse_lost_run
        from treadle.compiler.frontend.sites import caller
        from treadle.compiler.runtime.interpreter import run_step

        refuse_lost_run(self.name)
        site = caller(self.name)
        inputs = self._named(args, kwargs)
        return run_step(
            self.name,
            self.declared,
            inputs,
            self.session,
            ops=self.ops,
            context=context,
            site=site.name,
            line=site.line,
        )

    def _named(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> Mapping[str, object]:
        """The inputs by name; they are checked when the step runs."""
        names = [slot.name for slot in self.signature.inputs[: len(args)]]
        if len(names) < len(args) or not kwargs.keys().isdisjoint(names):
            return self.signature.bind(args, kwargs)  # which raises
        return {**dict(zip(names, args, strict=True)), **kwargs}

    @property
    def session(self) -> Session:
        """What the declaration binds."""
        from treadle.compiler.runtime.session import Session

        return Session() if self.lm is None else Session(bound={self.name: self.lm}, lms={self.lm.model: self.lm})

    @property
    def ops(self) -> Mapping[str, Op]:
        """Ops its module calls, by name."""
        return {} if self.module is None else self.module.ops()

    def copy(self, name: str) -> PredictorFunction[P, R]:
        """The same predictor under another name, with parameters of its own.

        Raises:
            DeclarationError: ``name`` is not an identifier.
        """
        if not name.isidentifier():
            msg = f"{self.name}.copy({name!r}): the name has to be a Python identifier"
            raise DeclarationError(msg)
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__)
        made.name = made.__name__ = name
        made.signature = self.signature.with_name(name)  # the output keeps its name, so prompts stay the same
        made.declared = dataclasses.replace(self.declared, signature=made.signature)
        return made

    def reading(self, /, **sources: object) -> Reading[P, R]:
        """The step with context edges: the values of earlier steps, shown to it beside its own inputs.

        Args:
            sources: Values by the name of the step they come from; ``None`` shows nothing.

        >>> reply.reading(triage=team)(ticket, policies)  # doctest: +SKIP
        """
        return Reading(self, tuple(sorted(sources.items())))

    def render(self, /, *args: P.args, **kwargs: P.kwargs) -> tuple[Message, ...]:
        """The exact messages a bare call of it would send for these inputs.

        Raises:
            InputError: An input is missing, unknown or of the wrong type.
        """
        from treadle.compiler.prompt.render import render

        return render(self.signature, self.declared.demos, self.signature.bind(args, kwargs))

    @overload
    def __get__(self, instance: None, owner: type) -> PredictorFunction[P, R]: ...
    @overload
    def __get__(
        self: PredictorFunction[Concatenate[Self, Q], R], instance: Self, owner: type
    ) -> PredictorFunction[Q, R]: ...
    def __get__(self, instance: object, owner: type) -> PredictorFunction[Any, Any]:
        return self  # `self` of a method is not a field, so the bound predictor is the predictor

    def __repr__(self) -> str:
        return f"<predictor {self.name}({self.signature.takes()})>"


Context = tuple[tuple[str, object], ...]
"""Values of context edges by the name of their source, sorted."""


class Reading(Generic[P, R]):
    """A predictor with context edges, made by ``PredictorFunction.reading``; called like the predictor."""

    def __init__(self, predictor: PredictorFunction[P, R], sources: Context) -> None:
        self.predictor = predictor
        self.sources = sources

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """As the predictor."""
        return cast(R, self.predictor.start(args, kwargs, self.sources))

    @overload
    def acall(
        self: Reading[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, T]: ...
    @overload
    def acall(self, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]: ...
    def acall(self, /, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        """The same, awaitable."""
        return self.predictor.run(args, kwargs, self.sources)
