"""Actions without regions: expressions, ops, LM calls and steps."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

from treadle.compiler.graph.op import Op
from treadle.compiler.runtime.blame import blame
from treadle.compiler.runtime.block import Action, Block, Frame
from treadle.compiler.runtime.lm_call import Call, ask
from treadle.compiler.runtime.pools import in_blocking_thread
from treadle.compiler.runtime.scope import Scope, current_scope
from treadle.compiler.signature import Slot, checked
from treadle.compiler.trace.tracer import Origin, Record


def put(action: Action, frame: Frame, value: Any, origin: Origin) -> None:
    """Write an action's value; to several results go its elements."""
    slots = action.results
    if len(slots) == 1:
        frame.values[slots[0]] = value
    else:
        for slot, part in zip(slots, value, strict=True):
            frame.values[slot] = part
    if frame.origins is not None:
        for slot in slots:
            frame.origins[slot] = origin


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Evaluate(Action):
    """Evaluates a pure expression.

    Attributes:
        function: The expression, from its arguments.
        inputs: Slots of the arguments.
    """

    function: Callable[[tuple[Any, ...]], Any]
    inputs: tuple[int, ...]

    waits: ClassVar[bool] = False

    @property
    def label(self) -> str:
        """An expression has no name; its line says which."""
        return "an expression"

    def run(self, frame: Frame, scope: Scope) -> None:
        """Evaluate."""
        values = frame.values
        value = self.function(tuple([values[slot] for slot in self.inputs]))
        put(self, frame, value, frame.origin(self.inputs))

    async def perform(self, frame: Frame, scope: Scope) -> None:
        """Evaluate."""
        self.run(frame, scope)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class CallOp(Action):
    """Calls an op that does not wait.

    Attributes:
        op: The op.
        asynchronous: Whether calling it gives an awaitable.
        site: Its call site, for the sample indices of what it calls.
        positional: Slots of the arguments given by position.
        named: Slots of the arguments given by name.
        names: Names of all arguments for the trace, positional ones first.
        parameters: Address of what search may change in it.
    """

    op: Op
    asynchronous: bool
    site: str
    positional: tuple[int, ...]
    named: tuple[tuple[str, int], ...]
    names: tuple[str, ...]
    parameters: tuple[str, ...] = ()

    waits: ClassVar[bool] = False

    @property
    def label(self) -> str:
        """The op."""
        return f"op {self.op.name!r}"

    def run(self, frame: Frame, scope: Scope) -> None:
        """Call it here and now."""
        values = frame.values
        args = [values[slot] for slot in self.positional]
        named = {name: values[slot] for name, slot in self.named}
        record = self._open(frame, scope, args, named)
        token = current_scope.set(scope.call(self.site, record))
        try:
            value = self.op.function(*args, **named)
        except BaseException as error:
            if record is not None:
                record.fail(error)
                record.where = blame(error, self.op.function)
            raise
        finally:
            current_scope.reset(token)
        self._close(frame, record, value)

    async def perform(self, frame: Frame, scope: Scope) -> None:
        """Call it here and now."""
        self.run(frame, scope)

    def _open(self, frame: Frame, scope: Scope, args: list[Any], named: dict[str, Any]) -> Record | None:
        if scope.record is None:
            return None
        record = Record(
            "op",
            self.op.name,
            order=(scope.turn, self.index),
            node=self.node,
            indices=scope.indices,
            inputs=dict(zip(self.names, (*args, *named.values()), strict=True)),
            origin=frame.origin((*self.positional, *(slot for _, slot in self.named))),
            controls=scope.controls,
            parameters=self.parameters,
        )
        return scope.record.add(record)

    def _close(self, frame: Frame, record: Record | None, value: Any) -> None:
        if record is not None:
            record.end(value)
        put(self, frame, value, record)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class AwaitOp(CallOp):
    """Calls an op that waits: an async one, or a blocking one in a thread of the pool for those."""

    waits: ClassVar[bool] = True

    async def perform(self, frame: Frame, scope: Scope) -> None:
        """Call it and wait."""
        values = frame.values
        args = [values[slot] for slot in self.positional]
        named = {name: values[slot] for name, slot in self.named}
        record = self._open(frame, scope, args, named)
        token = current_scope.set(scope.call(self.site, record))
        try:
            if self.asynchronous:
                value = await self.op.function(*args, **named)
            else:
                value = await in_blocking_thread(lambda: self.op.function(*args, **named))
        except BaseException as error:
            if record is not None:
                record.fail(error)
                record.where = blame(error, self.op.function)
            raise
        finally:
            current_scope.reset(token)
        self._close(frame, record, value)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class CallLM(Action):
    """Makes one LM call.

    Attributes:
        call: What to ask.
        inputs: Slots by field.
    """

    call: Call
    inputs: tuple[tuple[str, int], ...]

    @property
    def label(self) -> str:
        """The call where nothing around it has a name."""
        return "" if self.call.predictor else f"the LM call {self.call.address!r}"

    async def perform(self, frame: Frame, scope: Scope) -> None:
        """Ask."""
        values = frame.values
        inputs = {name: values[slot] for name, slot in self.inputs}
        base = scope.base if scope.inside else f"{scope.base}{self.call.address}"
        origin = frame.origin([slot for _, slot in self.inputs])
        order = (scope.turn, self.index)
        value, record = await ask(self.call, inputs, base + scope.path, scope, order=order, origin=origin)
        put(self, frame, value, record)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class RunStep(Action):
    """Runs one step.

    Attributes:
        name: The step's name, also its site in sample indices.
        predictor: The predictor's name.
        inputs: Field, slot of the frame, and what the field takes.
        defaults: Values of the inputs the step leaves out.
        fields: The fields ``body`` is entered with, in order.
        body: What its module does; ``None`` where it is one call.
        call: The one LM call it is.
        parameters: Addresses of its parameters.
    """

    name: str
    predictor: str
    inputs: tuple[tuple[str, int, Slot | None], ...]
    defaults: tuple[tuple[str, Any], ...]
    fields: tuple[str, ...]
    body: Block | None
    call: Call | None
    parameters: tuple[str, ...]

    @property
    def label(self) -> str:
        """The step."""
        return f"step {self.name!r}"

    async def perform(self, frame: Frame, scope: Scope) -> None:
        """Check the inputs and answer."""
        origin = frame.origin([at for _, at, _ in self.inputs])
        base = f"{scope.base}{self.name}{scope.path}"
        value, record = await answer(self, self._given(frame), base, scope, (scope.turn, self.index), origin)
        put(self, frame, value, record)

    def _given(self, frame: Frame) -> dict[str, Any]:
        """The checked inputs by field."""
        given: dict[str, Any] = {}
        for field, at, slot in self.inputs:
            value = frame.values[at]
            given[field] = value if slot is None else checked(self.predictor, slot, value)
        given.update(self.defaults)
        return given


async def answer(
    step: RunStep, given: dict[str, Any], base: str, scope: Scope, order: tuple[int, int], origin: Origin
) -> tuple[Any, Record | None]:
    """The value of a step with checked inputs, and its record."""
    record = None
    if scope.record is not None:
        record = Record(
            "step",
            step.name,
            order=order,
            predictor=step.predictor,
            node=step.node,
            indices=scope.indices,
            inputs=given,
            origin=origin,
            controls=scope.controls,
            parameters=step.parameters,
        )
        scope.record.add(record)
    inside = scope.step(base, record)
    try:
        if step.call is not None:
            value, _ = await ask(step.call, given, base, inside, origin=origin)
        else:
            value = await _answer(step, given, inside, origin)
    except BaseException as error:
        if record is not None:
            record.fail(error)
        raise
    if record is not None:
        record.end(value)
    return value, record


async def _answer(step: RunStep, given: dict[str, Any], inside: Scope, origin: Origin) -> Any:
    """The value of a step whose module is more than one call."""
    body = step.body
    assert body is not None  # the planner makes one of the two
    origins = None if inside.record is None else [origin] * len(step.fields)
    frame = body.enter([given[field] for field in step.fields], None, origins)
    await body.run(frame, inside)
    return frame.values[body.results[0]]
