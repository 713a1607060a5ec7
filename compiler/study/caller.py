"""How a study makes LM calls: from the store, shared with one in flight, or sent, within the budget.

``StudyCaller`` belongs to the study and makes each call at most once. ``Scope`` is what one job (a cell, a proposal)
calls through; it notes what the job is to be charged. Both live on the study's event loop.
"""

from __future__ import annotations

import asyncio
import contextvars
import dataclasses
import functools
from collections import Counter
from collections.abc import Coroutine
from typing import Any, cast

from treadle.compiler.canonical import JSON
from treadle.compiler.errors import (
    AuthenticationFailed,
    ConfigurationError,
    DefinitiveLMError,
    LMError,
    StudyError,
    TransientLMError,
)
from treadle.compiler.lm import retry
from treadle.compiler.lm.clock import SYSTEM, Clock
from treadle.compiler.lm.lm import LM
from treadle.compiler.lm.protocol import Completion, Request
from treadle.compiler.redact import redact
from treadle.compiler.study.attempts import Attempts
from treadle.compiler.study.budget import Amount
from treadle.compiler.study.events import Events
from treadle.compiler.study.ledger import Hold, LogicalLedger
from treadle.compiler.study.replies import Reply, answered, can_be_kept, refused, worst_case
from treadle.compiler.study.store import Store


@dataclasses.dataclass(frozen=True, slots=True)
class Charge:
    """One reply a job used.

    Attributes:
        key: The request's key.
        role: ``"task"``, ``"proposer"`` or ``"judge"``.
        amount: What the reply costs the search.
    """

    key: str
    role: str
    amount: Amount

    def to_json(self) -> list[JSON]:
        """The charge as data."""
        return [self.key, self.role, *self.amount.to_json()]

    @classmethod
    def from_json(cls, data: JSON) -> Charge:
        """What ``to_json`` gave."""
        key, role, *amount = cast("list[JSON]", data)
        return cls(str(key), str(role), Amount.from_json(amount))


class _Flight:
    """A call on its way, and those who wait for it."""

    __slots__ = ("key", "task", "waiting")

    def __init__(self, key: str, task: asyncio.Task[Reply]) -> None:
        self.key = key
        self.task = task
        self.waiting: list[asyncio.Future[Reply]] = []

    def landed(self) -> None:
        """Tell those who wait what has come."""
        for waiter in self.waiting:
            if waiter.done():  # cancelled
                continue
            if self.task.cancelled():
                waiter.set_exception(StudyError("the study was closed while the call was on its way"))
            elif error := self.task.exception():
                waiter.set_exception(error)
            else:
                waiter.set_result(self.task.result())


class StudyCaller:
    """Makes the calls of a study.

    Args:
        store: Where replies are kept.
        attempts: The books of the attempts.
        concurrency: Calls between sending and commit at the same time, at most.
        events: Is told of what goes wrong.
        policy: How hard to try.
        clock: What waits are measured by.
    """

    def __init__(
        self,
        store: Store,
        attempts: Attempts,
        *,
        concurrency: int,
        events: Events,
        policy: retry.RetryPolicy = retry.DEFAULT_POLICY,
        clock: Clock = SYSTEM,
    ) -> None:
        self.store = store
        self.attempts = attempts
        self.stopped: Exception | None = None
        self.from_store: Counter[str] = Counter()  # replies the store gave, by role
        self._events = events
        self._policy = policy
        self._clock = clock
        self._slots = asyncio.Semaphore(concurrency)
        self._flights: dict[str, _Flight] = {}
        self._tasks: set[asyncio.Task[Reply]] = set()
        self._asked = 0

    def stop(self, error: Exception) -> None:
        """Send nothing more. Calls in flight go on to their commit; the first reason given is the one told."""
        if self.stopped is None:
            self.stopped = error
            self._events.emit("stopped", reason=type(error).__name__, text=str(error))

    def check(self) -> None:
        """Raise why the study has stopped, if it has.

        Raises:
            StudyError: It has.
        """
        if self.stopped is not None:
            raise StudyError("the study has stopped") from self.stopped

    def key(self, request: Request) -> str:
        """What the reply is kept and charged under. With the store off, equal requests are different calls."""
        if self.store.mode != "off":
            return request.key
        self._asked += 1
        return f"{request.key}#{self._asked}"

    def stored(self, key: str) -> Reply | None:
        """The reply a store gives, if it has it."""
        row = self.store.get("replies", key)
        return None if row is None else Reply.from_json(row)

    async def fetch(self, lm: LM, request: Request, key: str, role: str) -> Reply:
        """The reply of a request that was not stored when it was looked for; identical ones in flight share one call.

        Raises:
            StudyError: The study may not make the call, or has stopped.
            ConfigurationError: The call cannot be made: no price under a cap on dollars, no key, no such model.
        """
        flight = self._flights.get(key)
        if flight is None:
            self.check()
            if self.store.mode == "replay":
                msg = f"the reply to {request.sample or 'a call'!r} is not stored, and a replay sends nothing"
                raise StudyError(msg)
            flight = self._launch(lm, request, key, role)
        waiter: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        flight.waiting.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            flight.waiting.remove(waiter)
            if not flight.waiting and not flight.task.done():  # nobody else wants it
                self._flights.pop(key, None)
                flight.task.cancel()
            raise

    def _launch(self, lm: LM, request: Request, key: str, role: str) -> _Flight:
        context = contextvars.copy_context()
        task = asyncio.get_running_loop().create_task(self._send(lm, request, key, role), context=context)
        flight = self._flights[key] = _Flight(key, task)
        self._tasks.add(task)
        task.add_done_callback(functools.partial(self._landed, flight), context=context)
        return flight

    def _landed(self, flight: _Flight, task: asyncio.Task[Reply]) -> None:
        self._tasks.discard(task)
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]
        if not task.cancelled():
            task.exception()  # those who wait have it
        flight.landed()

    async def _send(self, lm: LM, request: Request, key: str, role: str) -> Reply:
        try:
            # Held until the reply is in line for its commit. Whoever has the slot next sends after a commit of its own,
            # which holds this reply too: so after a crash at most as many calls are repeated as there are slots.
            async with self._slots:
                reply = await self._attempted(lm, request, role)
                self.store.write("replies", key, reply.to_json())
            await self.store.committed()
        except (StudyError, ConfigurationError) as error:
            self.stop(error)
            raise
        return reply

    async def _attempted(self, lm: LM, request: Request, role: str) -> Reply:
        worst = worst_case(lm, request, self.attempts.budget)
        books = self.attempts.open(lm, worst, role, self.check)
        try:
            completion = await retry.call(
                lm,
                request,
                policy=self._policy,
                clock=self._clock,
                before_attempt=books.before,
                after_attempt=books.after,
            )
        except DefinitiveLMError as error:
            if not can_be_kept(error):
                raise _stopping(error) from error
            return refused(error, worst)
        except TransientLMError as error:
            raise _stopping(error) from error
        return answered(completion, worst)

    async def drain(self) -> None:
        """Wait for the calls in flight to be committed."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def cancel(self) -> None:
        """Give up the calls in flight: they count as sent."""
        for task in list(self._tasks):
            task.cancel()
        await self.drain()


def _stopping(error: LMError) -> StudyError:
    advice = "give a key that works" if isinstance(error, AuthenticationFailed) else "see to the provider"
    return StudyError(
        f"the study stopped: {redact(str(error))} ({type(error).__name__}); what it paid for is kept: {advice} and run "
        "the same command again"
    )


class Scope:
    """The caller of one job: meters what was not admitted, and notes what is to be charged.

    Args:
        caller: The study's.
        ledger: Where room is held.
        hold: The job's room.
        allowance: LM calls it was admitted for; 0 meters all, ``None`` meters none.
        role: Whose calls they are.
    """

    def __init__(
        self, caller: StudyCaller, ledger: LogicalLedger, hold: Hold, *, allowance: int | None, role: str
    ) -> None:
        self.charges: list[Charge] = []
        self.calls = 0
        self.stopped: Exception | None = None  # why a call of the job was not made, whatever the program made of that
        self.role = role
        self._caller = caller
        self._ledger = ledger
        self._hold = hold
        self._allowance = allowance
        self._loop = asyncio.get_running_loop()

    def take(self, charges: list[Charge]) -> None:
        """The job's result was stored: charge what it was charged then."""
        self.charges = charges
        self._hold.used.update((charge.key, charge.amount) for charge in charges)

    def recall(self, key: str) -> Reply | None:
        """The reply that is stored under ``key``."""
        return self._caller.stored(key)

    def judging(self) -> Judge:
        """The caller for LM calls of a metric on the job's result."""
        return Judge(self)

    def __call__(self, lm: LM, request: Request) -> Coroutine[Any, Any, Completion]:
        """A completion, for the job.

        Raises:
            LMError: The provider refused for good.
            StudyError: The call may not be made.
            ConfigurationError: The call cannot be made.
        """
        metered = False
        if self._allowance is not None:
            metered = self._allowance <= 0
            self._allowance -= 1
        return self.make(lm, request, self.role, metered=metered)

    async def make(self, lm: LM, request: Request, role: str, *, metered: bool) -> Completion:
        """A completion in ``role``. ``metered``: the job was not admitted for it."""
        try:
            self._check_loop()
            reply = await self._reply(lm, request, role, metered=metered)
        except (StudyError, ConfigurationError) as error:
            self.stopped = self.stopped or error
            raise
        self.calls += 1
        return reply.deliver()

    def _check_loop(self) -> None:
        """Refuse a call from another event loop: that runs only while somebody holds up the study's and waits for it.

        Raises:
            ConfigurationError: It is one.
        """
        if asyncio.get_running_loop() is not self._loop:
            msg = (
                "a step was called by code that holds up the event loop on which the study answers steps: in async "
                "code await it, with `await step.acall(…)`; declare a plain op that calls steps @op(blocking=True)"
            )
            raise ConfigurationError(msg)

    async def _reply(self, lm: LM, request: Request, role: str, *, metered: bool) -> Reply:
        key = self._caller.key(request)
        stored = self._caller.stored(key)
        if metered and key not in self._ledger.charged.keys:
            return await self._metered(lm, request, key, role, stored)
        reply = stored or await self._flown(lm, request, key, role)
        self._note(key, role, reply, stored)
        if not metered:
            self._hold.used[key] = reply.charge
        return reply

    async def _metered(self, lm: LM, request: Request, key: str, role: str, stored: Reply | None) -> Reply:
        room = stored.charge if stored else worst_case(lm, request, self._ledger.caps)
        await self._ledger.meter(self._hold, key, room)
        try:
            # while this one waited for room another may have brought it
            reply = stored or self._caller.stored(key) or await self._flown(lm, request, key, role)
        except BaseException:
            self._ledger.give_back(self._hold, key)
            raise
        self._ledger.arrived(key, reply.charge)
        self._note(key, role, reply, stored)
        return reply

    async def _flown(self, lm: LM, request: Request, key: str, role: str) -> Reply:
        self._hold.flying += 1
        try:
            return await self._caller.fetch(lm, request, key, role)
        finally:
            self._hold.flying -= 1
            self._ledger.landed(self._hold)

    def _note(self, key: str, role: str, reply: Reply, stored: Reply | None) -> None:
        self.charges.append(Charge(key, role, reply.charge))
        if stored:
            self._caller.from_store[role] += 1


class Recall:
    """The caller of a run that is made again: it gives what the job's calls gave, and sends nothing."""

    def __init__(self, scope: Scope) -> None:
        self.charges: list[Charge] = []
        self._scope = scope

    async def __call__(self, lm: LM, request: Request) -> Completion:
        """The stored completion.

        Raises:
            LMError: The provider had refused for good.
            StudyError: There is none: the run asks for something else than the first time.
        """
        reply = self._scope.recall(request.key)
        if reply is None:
            msg = f"the reply to {request.sample or 'a call'!r} is not stored"
            raise StudyError(msg)
        self.charges.append(Charge(request.key, self._scope.role, reply.charge))
        return reply.deliver()


class Judge:
    """The caller for LM calls of a metric: always metered, since no graph says how many there are."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self.made = 0  # calls that are done
        self.flying = 0  # calls that are not

    async def __call__(self, lm: LM, request: Request) -> Completion:
        """A completion, for the metric.

        Raises:
            LMError: The provider refused for good.
            StudyError: The call may not be made.
            ConfigurationError: The call cannot be made.
        """
        self.flying += 1
        try:
            return await self._scope.make(lm, request, "judge", metered=True)
        finally:
            self.flying -= 1
            self.made += 1
