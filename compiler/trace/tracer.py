"""Recording what a run does: records while it runs, a trace when it has ended.

A run has one ``Recorder``; every call in it opens a ``Record`` under the record it runs in. Records form a tree, each
with its place in program order, so that the trace of a run does not depend on what overlapped with what. What a value
was made from is its *origin*: a record, a tuple of origins, or one origin per element of a list.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from operator import attrgetter
from typing import TypeAlias, Union

from treadle.compiler.canonical import JSON
from treadle.compiler.lm.protocol import Completion, Message, Usage
from treadle.compiler.trace.snapshot import snapshot, snapshots
from treadle.compiler.trace.trace import Span, SpanKind, Trace

Order: TypeAlias = tuple[int, int]
"""Place of a record under its parent: the turn of the region, then the node's position."""


class Each:
    """The origins of a list's elements, one by one."""

    __slots__ = ("origins",)

    def __init__(self, origins: list[Origin]) -> None:
        self.origins = origins


_calls = itertools.count()  # of the process: their order under one record is that of their numbers

Origin: TypeAlias = Union["Record", Each, tuple["Origin", ...], None]
"""What a value was made from. Nested origins are shared, never copied: joining costs the same however long they are."""


class Record:
    """A span that is open. Written by the task that runs the call; children may be added from any thread.

    Attributes:
        kind: As in ``Span``, like all other names here that ``Span`` has.
        order: Place under the parent.
        children: Records opened under this one, in no particular order.
        origin: What the inputs were made from.
        controls: What decided that the call ran.
        started: When it was opened, by a monotonic clock.
    """

    __slots__ = (
        "asked",
        "cached",
        "children",
        "controls",
        "cost",
        "error",
        "finish_reason",
        "indices",
        "inputs",
        "kind",
        "messages",
        "model",
        "name",
        "node",
        "order",
        "origin",
        "output",
        "parameters",
        "predictor",
        "repairs",
        "reply",
        "seconds",
        "started",
        "taken",
        "usage",
        "where",
    )

    def __init__(
        self,
        kind: SpanKind,
        name: str,
        *,
        order: Order = (0, 0),
        predictor: str = "",
        node: str = "",
        indices: tuple[int, ...] = (),
        inputs: Mapping[str, object] | None = None,
        origin: Origin = None,
        controls: Origin = None,
        parameters: tuple[str, ...] = (),
        messages: tuple[Message, ...] = (),
        model: str = "",
    ) -> None:
        self.kind = kind
        self.name = name
        self.order = order
        self.predictor = predictor
        self.node = node
        self.indices = indices
        self.inputs: dict[str, JSON] = snapshots(inputs) if inputs else {}
        self.origin = origin
        self.controls = controls
        self.parameters = parameters
        self.messages = messages
        self.asked = model
        self.model = model
        self.output: JSON = None
        self.error = ""
        self.reply = ""
        self.repairs: tuple[str, ...] = ()
        self.finish_reason = ""
        self.usage: Usage | None = None
        self.cost: float | None = None
        self.cached = False
        self.taken: str | int | None = None
        self.where = ""
        self.seconds = 0.0
        self.children: list[Record] = []
        self.started = time.perf_counter()

    def add(self, child: Record) -> Record:
        """Put ``child`` under this record."""
        self.children.append(child)
        return child

    def next_order(self) -> Order:
        """The place of the next child where only the order of calls is known: in host mode and inside ops."""
        return next(_calls), 0

    def answered(self, completion: Completion) -> None:
        """Note what an LM answered; the call goes on until the reply is read."""
        self.reply = completion.text
        self.model = completion.model or self.model
        self.usage = completion.usage
        self.cost = completion.cost
        self.cached = completion.cached
        self.finish_reason = completion.finish_reason
        if completion.repaired:
            self.repairs = (*self.repairs, completion.repaired)

    def end(self, output: object) -> None:
        """The call gave ``output``."""
        self.output = snapshot(output)
        self.seconds = time.perf_counter() - self.started

    def fail(self, error: BaseException) -> None:
        """The call raised ``error``."""
        self.error = f"{type(error).__name__}: {error}"
        self.seconds = time.perf_counter() - self.started


class Recorder:
    """Records one run.

    Args:
        program: The program's name.
        root: Its own record; made here unless the run is part of another one.
    """

    def __init__(self, program: str, root: Record | None = None) -> None:
        self.program = program
        self.root: Record | None = root or Record("program", program)
        self.trace: Trace | None = None
        self._tell: tuple[Callable[[Trace], None], ...] = ()

    def when_finished(self, tell: Callable[[Trace], None]) -> None:
        """Have ``tell`` called with the trace when the run has ended; it may not raise."""
        self._tell = (*self._tell, tell)

    def finish(self) -> Trace:
        """The trace, when the run has ended. Spans stand in program order; the same run gives the same trace."""
        if self.root is None:
            raise RuntimeError(f"the run of {self.program!r} has been finished before")
        placed = _in_program_order(self.root)
        began = self.root.started
        self.root = None  # the records are as large as the trace
        numbers = {id(record): number for number, (record, _) in enumerate(placed)}
        spans = tuple(_span(number, record, parent, numbers, began) for number, (record, parent) in enumerate(placed))
        self.trace = Trace(program=self.program, spans=spans)
        for tell in self._tell:
            tell(self.trace)
        return self.trace


def _in_program_order(root: Record) -> list[tuple[Record, int | None]]:
    """Every record with its parent's number, parents first."""
    placed: list[tuple[Record, int | None]] = []
    left: list[tuple[Record, int | None]] = [(root, None)]
    while left:
        record, parent = left.pop()
        number = len(placed)
        placed.append((record, parent))
        if record.children:
            # stable, then turned round: of two in one place the one that was opened first comes first
            left.extend([(child, number) for child in sorted(record.children, key=_order_of)[::-1]])
    return placed


_order_of = attrgetter("order")


def _span(number: int, record: Record, parent: int | None, numbers: Mapping[int, int], began: float) -> Span:
    return Span(
        id=number,
        parent=parent,
        kind=record.kind,
        name=record.name,
        predictor=record.predictor,
        node=record.node,
        indices=record.indices,
        inputs=record.inputs,
        output=record.output,
        error=record.error,
        sources=_numbers_of(record.origin, numbers),
        controls=_numbers_of(record.controls, numbers),
        messages=record.messages,
        reply=record.reply,
        repairs=record.repairs,
        finish_reason=record.finish_reason,
        parameters=record.parameters,
        asked=record.asked,
        model=record.model,
        usage=record.usage,
        cost=record.cost,
        started=record.started - began,
        seconds=record.seconds,
        cached=record.cached,
        taken=record.taken,
        where=record.where,
    )


def _numbers_of(origin: Origin, numbers: Mapping[int, int]) -> tuple[int, ...]:
    """The numbers of all records in ``origin``, each shared part looked at once."""
    if origin is None:
        return ()
    if isinstance(origin, Record):
        number = numbers.get(id(origin))
        return () if number is None else (number,)
    found: set[int] = set()
    seen: set[int] = set()
    left: list[Origin] = [origin]
    while left:
        part = left.pop()
        if isinstance(part, Record):
            number = numbers.get(id(part))
            if number is not None:
                found.add(number)
        elif part is not None and id(part) not in seen:
            seen.add(id(part))
            left.extend(part.origins if isinstance(part, Each) else part)
    return tuple(sorted(found))


class Tracer:
    """Collects the traces of runs.

    >>> tracer = Tracer()
    >>> tracer.traces
    ()
    """

    def __init__(self) -> None:
        self._recorders: list[Recorder] = []

    @property
    def traces(self) -> tuple[Trace, ...]:
        """The traces of the runs that have ended, in the order in which the runs started."""
        return tuple(recorder.trace for recorder in self._recorders if recorder.trace is not None)

    def add(self, recorder: Recorder) -> None:
        """Collect the trace of this run when it has ended."""
        self._recorders.append(recorder)


_collecting: ContextVar[tuple[Tracer, ...]] = ContextVar("treadle_collecting", default=())


def collecting() -> tuple[Tracer, ...]:
    """The tracers that ``trace()`` has opened around the caller, outermost first."""
    return _collecting.get()


@contextlib.contextmanager
def trace() -> Iterator[Tracer]:
    """Collect the traces of all program runs made inside the block, also by threads that inherit its context.

    >>> with trace() as t:
    ...     pass
    >>> t.traces
    ()
    """
    tracer = Tracer()
    with collect(tracer):
        yield tracer


@contextlib.contextmanager
def collect(tracer: Tracer) -> Iterator[None]:
    """Have ``tracer`` told of all program runs inside the block, as ``trace()`` has one of its own."""
    token = _collecting.set((*_collecting.get(), tracer))
    try:
        yield
    finally:
        _collecting.reset(token)
