"""Where in a run something happens: the run, the place in its sample indices, the record it belongs to."""

from __future__ import annotations

import itertools
from contextvars import ContextVar

from treadle.compiler.canonical import JSON, digest
from treadle.compiler.runtime.session import Session
from treadle.compiler.trace.snapshot import snapshots
from treadle.compiler.trace.tracer import Origin, Record, Recorder, Tracer, collecting


class Run:
    """One run of a program, with everything that runs inside it.

    Attributes:
        session: Whose LMs answer and whose caller calls.
        tracers: The tracers that get its trace.

    Args:
        session: As above.
        tracers: As above.
        around: The run this one is part of; they count occurrences together.
    """

    __slots__ = ("_seen", "session", "tracers")

    def __init__(self, session: Session, tracers: tuple[Tracer, ...], around: Run | None = None) -> None:
        self.session = session
        self.tracers = tracers
        self._seen: dict[str, itertools.count[int]] = {} if around is None else around._seen

    def occurrence(self, *identity: JSON) -> int:
        """How often this identity came before in this run: 0 the first time. Any thread may ask."""
        return next(self._seen.setdefault(_key(identity), itertools.count()))


def _key(identity: tuple[JSON, ...]) -> str:
    try:
        return digest(identity)
    except ValueError:  # a NaN inside: its text tells it apart as well
        return repr(identity)


class Scope:
    """A place in a run. Immutable in use; every region, step and op that holds others makes one for its inside.

    Attributes:
        run: The run.
        base: Sample index up to the step: what stands around it in nested programs, its site, its indices.
        path: Indices of the regions entered since ``base`` was set, as text: ``/0/3``.
        indices: Indices of all regions around, outermost first, for spans.
        record: The open record that children join; ``None`` where nothing is recorded.
        turn: Which turn of its region this is.
        controls: What decided that this place was reached.
        inside: Whether this is the inside of a step.
    """

    __slots__ = ("base", "controls", "indices", "inside", "path", "record", "run", "turn")

    def __init__(
        self,
        run: Run,
        *,
        base: str = "",
        path: str = "",
        indices: tuple[int, ...] = (),
        record: Record | None = None,
        turn: int = 0,
        controls: Origin = None,
        inside: bool = False,
    ) -> None:
        self.run = run
        self.base = base
        self.path = path
        self.indices = indices
        self.record = record
        self.turn = turn
        self.controls = controls
        self.inside = inside

    def enter(self, index: int, record: Record | None, controls: Origin = None) -> Scope:
        """The place of turn ``index`` of a map, loop or replica."""
        return Scope(
            self.run,
            base=self.base,
            path=f"{self.path}/{index}",
            indices=(*self.indices, index),
            record=record,
            turn=index,
            controls=self.controls if controls is None else controls,
            inside=self.inside,
        )

    def arm(self, record: Record | None) -> Scope:
        """The place inside a branch."""
        return Scope(
            self.run,
            base=self.base,
            path=self.path,
            indices=self.indices,
            record=record,
            controls=self.controls if record is None else record,
            inside=self.inside,
        )

    def step(self, base: str, record: Record | None) -> Scope:
        """The place inside a step, whose sample indices start with ``base``."""
        return Scope(self.run, base=base, indices=self.indices, record=record, controls=self.controls, inside=True)

    def under(self, session: Session) -> Scope:
        """The same place for a step that brings a session of its own."""
        if session.is_empty:
            return self
        run = Run(session.within(self.run.session), self.run.tracers, self.run)
        return Scope(run, base=self.base, indices=self.indices, record=self.record, controls=self.controls)

    def call(self, site: str, record: Record | None) -> Scope:
        """The place inside an op at ``site``: programs and steps it calls are told apart by it."""
        return Scope(self.run, base=f"{self.base}{site}{self.path}/", record=record, controls=self.controls)


current_scope: ContextVar[Scope | None] = ContextVar("treadle_scope", default=None)
"""Where the running code of the user stands: set while an op or a host-mode program runs."""


class Opened:
    """A program run that has been opened; it must be closed by ``succeeded`` or ``failed``."""

    __slots__ = ("_recorders", "scope")

    def __init__(self, scope: Scope, recorders: tuple[Recorder, ...]) -> None:
        self.scope = scope
        self._recorders = recorders

    def succeeded(self, value: object, origin: Origin = None) -> None:
        """The program returned ``value``."""
        record = self.scope.record
        if record is not None:
            record.origin = origin
            record.end(value)
            self._finish()

    def failed(self, error: BaseException) -> None:
        """The program raised ``error``."""
        if self.scope.record is not None:
            self.scope.record.fail(error)
            self._finish()

    def _finish(self) -> None:
        for recorder in self._recorders:
            recorder.finish()


def open_run(program: str, inputs: dict[str, object], session: Session) -> Opened:
    """Open a run of ``program``: one of its own, or a part of the run around it.

    A program that runs inside another one's op or host-mode function joins that run: its spans stand under the
    caller's, its calls go through the same caller, and its sample indices follow from where it stands and how often it
    was called with the same inputs. A tracer opened inside gets its part as a trace of its own.
    """
    outer = current_scope.get()
    tracers = collecting() if session.tracer is None else (*collecting(), session.tracer)
    if outer is None:
        record = Record("program", program, inputs=inputs) if tracers else None
        return Opened(Scope(Run(session, tracers), record=record), _recorders(program, record, tracers))
    return _nested(program, inputs, session, outer, tracers)


def _nested(
    program: str, inputs: dict[str, object], session: Session, outer: Scope, tracers: tuple[Tracer, ...]
) -> Opened:
    run = outer.run
    new = tuple(tracer for tracer in tracers if tracer not in run.tracers)
    record = None
    if outer.record is not None or new:
        order = outer.record.next_order() if outer.record is not None else (0, 0)
        record = Record("program", program, order=order, inputs=inputs, controls=outer.controls)
        if outer.record is not None:
            outer.record.add(record)
    inner = Run(session.within(run.session.for_parts()), (*run.tracers, *new), run)
    turn = run.occurrence(outer.base, program, snapshots(inputs))
    base = f"{outer.base}{program}~{turn}/"
    return Opened(Scope(inner, base=base, record=record), _recorders(program, record, new))


def _recorders(program: str, record: Record | None, tracers: tuple[Tracer, ...]) -> tuple[Recorder, ...]:
    if record is None or not tracers:
        return ()
    recorder = Recorder(program, record)
    for tracer in tracers:
        tracer.add(recorder)
    return (recorder,)
