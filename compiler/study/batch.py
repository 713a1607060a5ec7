"""Batches: jobs in canonical order, admitted as far as the budget reaches, settled at barriers.

A batch runs in waves. A wave is the longest prefix of what is left whose worst cases fit under the logical cap; at its
barrier all its jobs are done, their charges are made in canonical order, and their room is free for the next wave. So
what is run, and what it is charged, does not depend on which job happens to end first.
"""

from __future__ import annotations

import asyncio
import contextvars
import dataclasses
import functools
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar, cast

from treadle.compiler.canonical import JSON
from treadle.compiler.errors import BudgetExhausted
from treadle.compiler.study.budget import NOTHING, Amount
from treadle.compiler.study.caller import Charge, Scope, StudyCaller
from treadle.compiler.study.journal import Journal
from treadle.compiler.study.lanes import Lanes
from treadle.compiler.study.ledger import Hold, LogicalLedger

T = TypeVar("T")

FIRST_WAVE = 64
"""Jobs of unknown worst case that are started before it is known what one uses."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job(Generic[T]):
    """One thing to do that makes LM calls.

    Attributes:
        run: Does it, calling through the scope it is given.
        role: Whose calls they are.
        calls: LM calls at most; ``None`` where there is no bound.
        free: It was settled before in this run, so it costs nothing.
    """

    run: Callable[[Scope], Awaitable[T]]
    role: str
    calls: int | None
    free: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Terms:
    """How a job is let in: with what worst case, for how many calls (``None``: all), and whether it is metered."""

    worst: Amount = NOTHING
    allowance: int | None
    metered: bool = False

    def expected(self, typical: Amount | None) -> Amount:
        """What to expect of calls that the job is not admitted with."""
        return typical if typical is not None and (self.metered or self.worst != NOTHING) else NOTHING


_UNMETERED = _Terms(allowance=None)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Admitted(Generic[T]):
    index: int
    job: Job[T]
    terms: _Terms
    scope: Scope
    hold: Hold


class Batch(Generic[T]):
    """Jobs under way.

    Args:
        jobs: In canonical order.
        caller: The study's.
        ledger: What the jobs are charged to.
        lanes: What jobs wait for, one with another, before they begin.
        stop: The decision that cut this batch in an earlier run.
        number: The ask the batch belongs to.
    """

    def __init__(
        self,
        jobs: Sequence[Job[T]],
        *,
        caller: StudyCaller,
        ledger: LogicalLedger,
        lanes: Lanes,
        number: int,
        stop: dict[str, JSON] | None,
    ) -> None:
        self.number = number
        self.results: list[T] = []  # of the jobs that count: a prefix of all
        self.error: Exception | None = None  # why the rest does not
        self.settled = False
        self.timing_dependent = False
        self._jobs = jobs
        self._caller = caller
        self._ledger = ledger
        self._lanes = lanes
        self._stop = stop
        self._limit = len(jobs) if stop is None else cast(int, stop["done"])
        self._next = 0
        self._wave: list[_Admitted[T]] = []
        self._waiting: deque[_Admitted[T]] = deque()  # jobs of the wave that have no lane yet
        self._left = 0  # jobs of the wave that have not ended
        self._ended = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._context = contextvars.copy_context()  # of whoever asked: lanes are freed in the context of other batches
        self._done: dict[int, T] = {}
        self._closed = False
        self._uncounted: list[Charge] = []

    @property
    def in_flight(self) -> bool:
        """Whether a wave is under way or waits for its barrier."""
        return bool(self._wave)

    @property
    def launched(self) -> bool:
        """Whether nothing is left to start."""
        return self._closed or self._next >= self._limit

    def launch(self, *, alone: bool = False) -> bool:
        """Start the next wave; whether it has any job. ``alone``: nothing else is under way, so try one at least."""
        while not self.launched:
            job = self._jobs[self._next]
            terms = self._terms(job)
            typical = self._ledger.typical(job.role)
            if terms.metered and typical is None and len(self._wave) >= FIRST_WAVE:
                break
            last_resort = alone and not self._wave
            hold = self._ledger.admit(terms.worst, terms.expected(typical), alone=last_resort)
            if hold is None:
                break
            scope = Scope(self._caller, self._ledger, hold, allowance=terms.allowance, role=job.role)
            self._admit(_Admitted(index=self._next, job=job, scope=scope, hold=hold, terms=terms))
            self._next += 1
        return bool(self._wave)

    def _admit(self, admitted: _Admitted[T]) -> None:
        self._wave.append(admitted)
        self._left += 1
        self._ended.clear()
        self._waiting.append(admitted)
        self._lanes.enter(self._begin)

    def _begin(self) -> bool:
        """Start the next job in its lane, unless it is not to be run any more."""
        admitted = self._waiting.popleft()
        if not self._wanted:
            self._end(admitted.hold)
            return False
        context = self._context.copy()
        task = asyncio.get_running_loop().create_task(self._run(admitted), context=context)
        self._tasks.add(task)
        task.add_done_callback(functools.partial(self._left_lane, admitted.hold), context=context)
        return True

    def _left_lane(self, hold: Hold, task: asyncio.Task[None]) -> None:
        """A job's task has ended; it may have been cancelled before it ran."""
        self._tasks.discard(task)
        self._end(hold)
        self._lanes.leave()

    @property
    def _wanted(self) -> bool:
        return not self._closed and self._caller.stopped is None

    def _end(self, hold: Hold) -> None:
        self._ledger.end(hold)
        self._left -= 1
        if not self._left:
            self._ended.set()

    def _terms(self, job: Job[T]) -> _Terms:
        caps = self._ledger.caps
        if not caps.bounded or self._stop is not None:
            return _UNMETERED
        if job.free:
            return _Terms(allowance=0)
        if job.calls is None or caps.tokens is not None or caps.usd is not None:
            return _Terms(allowance=0, metered=True)
        return _Terms(worst=Amount(calls=job.calls), allowance=job.calls)

    async def _run(self, admitted: _Admitted[T]) -> None:
        scope = admitted.scope
        try:
            if not self._wanted:
                return
            self._ledger.begin(admitted.hold)
            result = await admitted.job.run(scope)
            if scope.stopped is not None:  # the program caught it and went on
                raise scope.stopped
            self._done[admitted.index] = result
        except BudgetExhausted as error:
            self._close(error)
        except Exception as error:
            self._close(error)
            self._caller.stop(error)

    def _close(self, error: Exception) -> None:
        self._closed = True
        self.error = self.error or error

    async def barrier(self) -> None:
        """Wait for the wave, and charge its jobs in canonical order."""
        if not self._wave:
            return
        await self._ended.wait()
        wave, self._wave = self._wave, []
        for admitted in wave:
            if len(self.results) in self._done:
                self.results.append(self._done.pop(len(self.results)))
                self._charge(admitted.scope.charges)
                self._learn(admitted)
            else:
                self._uncounted += admitted.scope.charges
            self._ledger.release(admitted.hold)

    def _learn(self, admitted: _Admitted[T]) -> None:
        """What the job used beyond what it was admitted with; by its charges, which are the same in a rerun."""
        if admitted.terms.allowance is None:
            return
        metered = NOTHING
        for charge in sorted(admitted.scope.charges, key=lambda charge: charge.key):
            if admitted.terms.metered or charge.role == "judge":
                metered += charge.amount
        self._ledger.learn(admitted.scope.role, metered)

    def _charge(self, charges: Sequence[Charge]) -> None:
        for charge in sorted(charges, key=lambda charge: charge.key):  # floats are added in one order, always
            self._ledger.charge(charge.key, charge.role, charge.amount)

    def cut(self) -> None:
        """The next job does not fit, and nothing can free room."""
        worst = self._terms(self._jobs[self._next]).worst
        self._close(self._ledger.exhausted(self._ledger.over(worst), worst))

    async def settle(self, journal: Journal) -> None:
        """All waves are done: charge what jobs behind a cut used, and keep the cut."""
        self.settled = True
        if self._stop is not None:
            self._charge([Charge.from_json(data) for data in cast("list[JSON]", self._stop["charges"])])
            self.timing_dependent = self._stop["timing_dependent"] is True
            self.error = self.error or BudgetExhausted(str(self._stop["text"]))
        elif isinstance(self.error, BudgetExhausted):
            self._charge(self._uncounted)
            self.timing_dependent = self._ledger.metered
            await journal.decide(
                self.number,
                {
                    "why": "budget",
                    "done": len(self.results),
                    "text": str(self.error),
                    "timing_dependent": self.timing_dependent,
                    "charges": [charge.to_json() for charge in self._uncounted],
                },
            )

    def cancel(self) -> None:
        """Give up what is under way; begin nothing more."""
        self._closed = True
        for task in self._tasks:
            task.cancel()

    async def drained(self) -> None:
        """Wait until nothing is under way."""
        while self._left:
            await self._ended.wait()


class Queue:
    """Batches under way: those that were started are settled in the order in which they were started."""

    def __init__(self, caller: StudyCaller, journal: Journal) -> None:
        self._caller = caller
        self._journal = journal
        self._started: deque[tuple[Batch[Any], Callable[[], None]]] = deque()
        self._at_once: Batch[Any] | None = None
        self.timing_dependent = False  # a batch was cut where calls were metered one by one

    def start(self, batch: Batch[T], settled: Callable[[], None]) -> None:
        """Launch a batch's first wave; ``settled`` is called when the batch is."""
        batch.launch()
        self._started.append((batch, settled))

    async def finish(self, batch: Batch[Any]) -> None:
        """Settle all batches up to this one. Whether it was cut is told by its ``error``.

        Raises:
            StudyError: The study stopped.
        """
        while not batch.settled:
            first, settled = self._started[0]
            await self._settle(first)
            self._started.popleft()
            settled()

    async def at_once(self, batch: Batch[Any]) -> None:
        """Launch a batch and settle it, whatever was started before. Whether it was cut is told by its ``error``.

        Raises:
            StudyError: The study stopped.
        """
        self._at_once = batch
        batch.launch()
        await self._settle(batch)
        self._at_once = None

    async def _settle(self, batch: Batch[Any]) -> None:
        await self._complete(batch)
        if self._caller.stopped is not None:
            raise self._caller.stopped
        await batch.settle(self._journal)
        self.timing_dependent |= batch.timing_dependent

    async def _complete(self, batch: Batch[Any]) -> None:
        """Wave after wave. Where none fits, the waves of later batches are settled first: they may free room."""
        while True:
            await batch.barrier()
            if batch.launched:
                return
            if batch.launch():
                continue
            others = [other for other, _ in self._started if other.in_flight]
            if others:
                await others[0].barrier()
            elif not batch.launch(alone=True):
                batch.cut()
                return

    async def drain(self) -> None:
        """Wait for everything that is under way."""
        for batch in self._batches():
            await batch.drained()

    async def cancel(self) -> None:
        """Give up everything that is under way."""
        for batch in self._batches():
            batch.cancel()
        await self.drain()

    def _batches(self) -> list[Batch[Any]]:
        batches = [batch for batch, _ in self._started]
        return batches if self._at_once is None else [*batches, self._at_once]
