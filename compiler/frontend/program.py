"""Programs: a function captured as a graph, or run as it is, with the LMs and the candidate it is bound to."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Concatenate, Generic, Literal, ParamSpec, TypeVar, cast, overload

from treadle.compiler.canonical import JSON
from treadle.compiler.errors import CaptureError, InputError
from treadle.compiler.frontend.captured import Capture
from treadle.compiler.frontend.declaration import Declaration, FromFunction, declare
from treadle.compiler.graph.nodes import Graph, Predictor
from treadle.compiler.graph.op import Op
from treadle.compiler.graph.parameters import Candidate, ParameterSpace
from treadle.compiler.lm.lm import LM
from treadle.compiler.runtime.isolate import DEFAULT, Executor
from treadle.compiler.signature import Signature, Slot, read

if TYPE_CHECKING:  # a program that is only declared does not pay for what runs it
    from treadle.compiler.frontend.host import HostRun
    from treadle.compiler.module import Module
    from treadle.compiler.runtime.session import Session
    from treadle.compiler.trace.trace import Trace

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R", covariant=True)
T = TypeVar("T")
Self = TypeVar("Self")

Row = Mapping[str, object]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Binding:
    """What a program is bound to.

    Attributes:
        lm: The LM of every step without one of its own; ``None`` for the one in force where it runs.
        lms: LMs by recorded model name.
        candidate: The parameters' values.
        provenance: Where the candidate comes from, as a file says it; empty where no search chose it.
        executor: What runs the candidate's code.
    """

    lm: LM | None = None
    lms: Mapping[str, LM] = dataclasses.field(default_factory=dict)
    candidate: Candidate = dataclasses.field(default_factory=Candidate)
    provenance: Mapping[str, JSON] = dataclasses.field(default_factory=dict)
    executor: Executor = DEFAULT


class Program(Generic[P, R]):
    """A program: called like its function, with the same types. Made by ``program``, ``compile`` and ``load``.

    Immutable: ``bind`` and ``with_candidate`` give new programs. It is captured on first use, once for all programs
    made from it, and for a method once per instance.
    """

    def __init__(self, declaration: Declaration, binding: Binding | None = None) -> None:
        self.declaration = declaration
        self.binding = binding or Binding()
        function = declaration.function
        self.__name__ = self.name
        self.__doc__ = declaration.signature.instruction or None
        if function is not None:
            self.__module__ = function.__module__
            self.__qualname__ = function.__qualname__

    @classmethod
    def of_function(
        cls, function: Callable[P, R], *, require: str | None = None, name: str | None = None
    ) -> Program[P, R]:
        """The program a function declares; see ``program``."""
        return cls(declare(function, name, require))

    # --- what it is ----------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Its name: the function's, unless it was given another."""
        return self.declaration.signature.name

    @property
    def signature(self) -> Signature:
        """Its inputs and its output."""
        return self.declaration.signature

    @property
    def inputs(self) -> tuple[Slot, ...]:
        """Its inputs, in declared order."""
        return self.signature.inputs

    @property
    def output(self) -> Slot:
        """Its output."""
        return self.signature.value

    @property
    def capture(self) -> Capture:
        """``"graph"`` or ``"host"``, with every reason and its line. The first use captures the program."""
        return self.declaration.captured.capture

    @property
    def graph(self) -> Graph | None:
        """Its graph as captured, before a candidate's edits; ``None`` in host mode, and ``capture`` says why."""
        return self.declaration.captured.graph

    @property
    def ops(self) -> Mapping[str, Op]:
        """The ops it calls, by name; undecorated functions among them."""
        return self.declaration.captured.ops

    @property
    def predictors(self) -> Mapping[str, Predictor]:
        """The predictors it calls, by name, with their defaults."""
        return {name: found.declared for name, found in self.declaration.captured.predictors.items()}

    @property
    def candidate(self) -> Candidate:
        """The parameters' values it runs with."""
        return self.binding.candidate

    @property
    def provenance(self) -> Mapping[str, JSON]:
        """Where the candidate comes from: optimizer, data, scores; empty where no search chose it."""
        return self.binding.provenance

    @property
    def __wrapped__(self) -> Callable[P, R]:
        """The function as the user wrote it."""
        function = self.declaration.function
        if function is None:
            raise AttributeError("__wrapped__")
        return function

    def check(self) -> Capture:
        """Capture now, and check the graph.

        Returns:
            How the program runs.

        Raises:
            CaptureError: It was declared with ``require="graph"`` and is not one.
            DeclarationError: A call in it does not fit what it calls; names both sides and the line.
        """
        return self.capture

    def space(
        self,
        *,
        modules: Sequence[Module] = (),
        models: Sequence[str] = (),
        temperature: tuple[float, float] | None = None,
    ) -> ParameterSpace:
        """What search may change in it.

        Args:
            modules: Modules that may answer a step beside its own.
            models: Recorded names of LMs that may answer a step beside its own.
            temperature: Smallest and largest decoding temperature.
        """
        from treadle.compiler.frontend.trainable import parameters_in
        from treadle.compiler.graph.parameters import Parameter
        from treadle.compiler.graph.rewrite import EDITS, edge_parameters
        from treadle.compiler.space import parameters_of

        found = [
            parameter
            for name, predictor in sorted(self.predictors.items())
            for parameter in parameters_of(name, predictor, modules=modules, models=models, temperature=temperature)
        ]
        topology: tuple[Parameter, ...] = ()
        if self.graph is not None and found:
            topology = (*edge_parameters(self.graph), Parameter(address=EDITS, kind="edits", default=[]))
        every = (*found, *topology, *parameters_in(list(self.ops.values())))
        chosen = self.candidate.values  # a program that was compiled before starts from what that found
        return ParameterSpace(
            tuple(dataclasses.replace(p, default=chosen[p.address]) if p.address in chosen else p for p in every)
        )

    def draw(self) -> str:
        """The graph as Mermaid text, with the edits of the program's candidate.

        Raises:
            CaptureError: The program runs in host mode: there is no graph to draw.
        """
        from treadle.compiler.graph.mermaid import mermaid
        from treadle.compiler.graph.rewrite import rewired

        return mermaid(rewired(self._needed_graph("drawing"), self.candidate.values))

    def _needed_graph(self, what: str) -> Graph:
        if self.graph is None:
            reasons = [str(reason) for reason in self.capture.reasons]
            msg = f"{what} needs a graph, and program {self.name!r} runs in host mode:\n  " + "\n  ".join(reasons)
            raise CaptureError(msg, reasons)
        return self.graph

    # --- what it is bound to -------------------------------------------------------------------------------------

    def bind(
        self, *, lm: LM | str | Mapping[str, LM | str] | None = None, executor: Executor | None = None
    ) -> Program[P, R]:
        """The program with an LM for every step that has none of its own, or with what runs its searched code.

        Args:
            lm: One LM for all, or a mapping from recorded model name to LM, for steps that ask for a model by name.
            executor: Runs code that a search wrote for trainable ops; see ``compiler/runtime/isolate.py``.
        """
        binding = self.binding if executor is None else dataclasses.replace(self.binding, executor=executor)
        if isinstance(lm, Mapping):
            named = {name: _lm(given) for name, given in lm.items()}
            return self._with(dataclasses.replace(binding, lms={**binding.lms, **named}))
        return self._with(binding if lm is None else dataclasses.replace(binding, lm=_lm(lm)))

    def with_candidate(self, candidate: Candidate) -> Program[P, R]:
        """The program with these values for its parameters, in place of those it had."""
        return self._with(dataclasses.replace(self.binding, candidate=candidate, provenance={}))

    def with_provenance(self, provenance: Mapping[str, JSON]) -> Program[P, R]:
        """The program with a record of where its candidate comes from; ``with_candidate`` drops it again."""
        return self._with(dataclasses.replace(self.binding, provenance=provenance))

    def _with(self, binding: Binding) -> Program[P, R]:
        return Program(self.declaration, binding)

    # --- running it ----------------------------------------------------------------------------------------------

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run it: in a script, a thread, a notebook, inside a running event loop. An async program gives an awaitable.

        Raises:
            InputError: An input is missing, unknown or of the wrong type.
            Exception: What running the function would raise.
        """
        from treadle.compiler.runtime.background import wait

        inputs = self.signature.bind(args, kwargs)
        if self.declaration.is_async:
            return cast(R, self._run(inputs, self._session))
        if self.graph is None:
            return cast(R, self._host.here(inputs, self._session))
        return cast(R, wait(self._run(inputs, self._session)))

    @overload
    def acall(
        self: Program[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, T]: ...
    @overload
    def acall(self, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]: ...
    def acall(self, /, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        """Run it on the caller's event loop, however it was declared."""
        return self._run(self.signature.bind(args, kwargs), self._session)

    def arun(self, inputs: Mapping[str, Any], session: Session) -> Coroutine[Any, Any, Any]:
        """Run it under a session, which stands around what the program is bound to: what a study calls.

        Args:
            inputs: Values of the inputs by name.
            session: Its caller makes the calls, its tracer records, its candidate's values stand over the program's.
        """
        return self._run(self.signature.bind((), inputs), self.session_in(session))

    def session_in(self, session: Session) -> Session:
        """What a run under a session goes by: what the program is bound to, and around it the session."""
        own = self._session
        return session if own.is_empty else dataclasses.replace(own.within(session), tracer=session.tracer)

    async def run_function(self, inputs: Mapping[str, Any], session: Session) -> Any:
        """Run the function itself under a session, also where there is a graph: the reference the graph is held to."""
        return await self._host.on_loop(self.signature.bind((), inputs), self.session_in(session))

    @overload
    def traced(self: Program[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs) -> tuple[T, Trace]: ...
    @overload
    def traced(self, /, *args: P.args, **kwargs: P.kwargs) -> tuple[R, Trace]: ...
    def traced(self, /, *args: Any, **kwargs: Any) -> tuple[Any, Trace]:
        """Run it, and tell what happened. ``treadle.trace()`` also keeps the trace of a run that fails."""
        from treadle.compiler.runtime.background import wait
        from treadle.compiler.trace.tracer import Tracer

        tracer = Tracer()
        session = dataclasses.replace(self._session, tracer=tracer)
        value = wait(self._run(self.signature.bind(args, kwargs), session))
        return value, tracer.traces[0]

    def batch(
        self, rows: Iterable[Row], *, concurrency: int = 16, errors: Literal["raise", "return"] = "raise"
    ) -> list[Any]:
        """Run it on many rows, in parallel; results in the order of the rows.

        Args:
            rows: One mapping per run. Keys that name inputs are inputs, values as in a dataset; others are ignored.
            concurrency: Runs at the same time at most, 1 or more.
            errors: ``"raise"`` stops at the failure that comes first in the order of the rows; ``"return"`` puts
                exceptions in the place of results.

        Raises:
            InputError: A row lacks an input, or has one of the wrong type; names the row.
        """
        from treadle.compiler.runtime.background import wait

        return wait(self.abatch(rows, concurrency=concurrency, errors=errors))

    async def abatch(
        self, rows: Iterable[Row], *, concurrency: int = 16, errors: Literal["raise", "return"] = "raise"
    ) -> list[Any]:
        """``batch`` on the caller's event loop."""
        from treadle.compiler.frontend.batch import run_rows

        session = self._session
        given = [self.inputs_of(number, row) for number, row in enumerate(rows)]
        return await run_rows(
            given, lambda inputs: self._run(inputs, session), concurrency, keep_errors=errors == "return"
        )

    def inputs_of(self, number: int, row: Row) -> dict[str, Any]:
        """The inputs in a row of data, defaults filled in; other keys are ignored.

        Raises:
            InputError: An input is missing or does not fit; names the row.
        """
        owner = f"row {number} of {self.name}"
        inputs = {slot.name: read(owner, slot, row[slot.name]) for slot in self.inputs if slot.name in row}
        missing = [slot.name for slot in self.inputs if slot.required and slot.name not in row]
        if missing:
            msg = f"{owner} has no {', '.join(missing)}; it has {', '.join(map(str, row)) or 'nothing'}"
            raise InputError(msg)
        return {slot.name: inputs.get(slot.name, slot.default) for slot in self.inputs}

    @cached_property
    def _session(self) -> Session:
        from treadle.compiler.runtime.session import Session

        declared = self.declaration.captured.predictors
        bound = {name: found.lm for name, found in declared.items() if found.lm is not None}
        lms = {lm.model: lm for lm in bound.values()}
        return Session(
            lm=self.binding.lm,
            lms={**lms, **self.binding.lms},
            bound=bound,
            candidate=self.binding.candidate,
            executor=self.binding.executor,
        )

    @cached_property
    def _host(self) -> HostRun:
        from treadle.compiler.frontend.host import HostRun

        function = self.declaration.function
        assert function is not None
        return HostRun(self.name, function, self.declaration.captured)

    async def _run(self, inputs: dict[str, Any], session: Session) -> Any:
        from treadle.compiler.runtime.interpreter import run_graph

        if self.graph is not None:
            return await run_graph(self.graph, self.ops, inputs, session)
        return await self._host.on_loop(inputs, session)

    # --- methods -------------------------------------------------------------------------------------------------

    @overload
    def __get__(self, instance: None, owner: type) -> Program[P, R]: ...
    @overload
    def __get__(self: Program[Concatenate[Self, Q], R], instance: Self, owner: type) -> Program[Q, R]: ...
    def __get__(self, instance: object, owner: type) -> Program[Any, Any]:
        if instance is None or not isinstance(self.declaration, FromFunction):
            return self
        return Program(self.declaration.of_instance(instance), self.binding)

    def _repr_html_(self) -> str:
        from treadle.compiler.frontend.card import card

        return card(self)

    def __repr__(self) -> str:
        return f"<program {self.name}({self.signature.takes()})>"


def _lm(given: LM | str) -> LM:
    return LM(given) if isinstance(given, str) else given
