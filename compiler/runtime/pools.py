"""Threads: a bounded pool for blocking ops, and one thread for each host-mode run.

Neither uses asyncio's default pool: that has as many threads as the machine has cores and a few more, so that rows
which wait for one another would wait for ever.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import os
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from treadle.compiler.lm.per_loop import PerLoop
from treadle.compiler.runtime.background import STOPPED, Home, home

T = TypeVar("T")

BLOCKING_THREADS = 64
"""Blocking ops that run at the same time in one process; more wait for their turn, first come, first served."""


class Threads:
    """Daemon threads that are kept for reuse.

    One thread at a time is on its way to the work; the last thing it does before it begins is to send for the next if
    there is more. So everything gets a thread of its own if need be, and a hundred pieces that take microseconds are
    done by the first two, instead of a hundred threads that push one another off the interpreter.

    Args:
        most: How many may run at the same time; ``None`` for as many as there is work.
        name: What the threads are called.
    """

    def __init__(self, most: int | None, name: str) -> None:
        self._most = most
        self._name = name
        self.forget()

    def forget(self) -> None:
        """Start without threads; also in a forked child, where they are not."""
        self._work: deque[Callable[[], None]] = deque()
        self._changed = threading.Condition()
        self._idle = 0
        self._count = 0
        self._coming = False  # whether a thread is on its way to the work

    def submit(self, work: Callable[[], None]) -> None:
        """Run ``work``, which may not raise, in a thread of its own for as long as it takes."""
        with self._changed:
            self._work.append(work)
            self._send()

    def _send(self) -> None:
        """Send a thread to the work that is there; called with the lock held."""
        if self._coming or not self._work:
            return
        if self._idle:
            self._coming = True
            self._changed.notify()
        elif self._most is None or self._count < self._most:
            self._coming = True
            self._count += 1
            threading.Thread(target=self._serve, name=f"{self._name}-{self._count}", daemon=True).start()

    def _serve(self) -> None:
        with self._changed:
            self._coming = False
        while (work := self._next()) is not None:
            work()
            del work  # an idle thread keeps nothing alive

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            while not self._work:
                self._idle += 1
                woken = self._changed.wait(timeout=_KEPT)
                self._idle -= 1
                self._coming = False  # also where time ran out: it may have done so just before the call came
                if not woken and not self._work:
                    self._count -= 1
                    return None
            work = self._work.popleft()
            self._send()
            return work


_KEPT = 10.0  # seconds an idle thread is kept

_blocking = Threads(BLOCKING_THREADS, "treadle-blocking")
_rows = Threads(None, "treadle-row")
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_blocking.forget)
    os.register_at_fork(after_in_child=_rows.forget)


async def in_blocking_thread(function: Callable[[], T]) -> T:
    """``function()`` in the pool of blocking ops, with the caller's context.

    A thread cannot be stopped: when the caller is cancelled the function runs on and its result is dropped.
    """
    return await _in_thread(_blocking, function)


async def run_in_thread(function: Callable[[], T]) -> T:
    """``function()`` in a thread of its own, with the caller's context: for a host-mode program.

    However many there are, each has a thread, so that they may wait for one another. ``background.wait`` in the
    function runs its coroutine on the caller's event loop. When the caller is cancelled, the coroutine the function
    waits for is cancelled too, and the next one it waits for is not started.
    """
    place = Home(asyncio.get_running_loop())
    token = home.set(place)
    try:
        return await _in_thread(_rows, function)
    except asyncio.CancelledError:
        await place.close()
        raise
    finally:
        home.reset(token)


async def _in_thread(threads: Threads, function: Callable[[], T]) -> T:
    work = _Work(function)
    _desk.get().give(threads, work)
    return await work.result


class _Work(Generic[T]):
    """A function for a thread, and what comes of it. It is called in the context of whoever makes this."""

    __slots__ = ("_context", "_function", "error", "result", "value")

    def __init__(self, function: Callable[[], T]) -> None:
        self.result: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.value: T
        self.error: BaseException | None = None
        self._function = function
        self._context = contextvars.copy_context()

    def do(self) -> None:
        """Called in the thread."""
        try:
            self.value = self._context.run(self._function)
        except BaseException as error:
            self.error = _carried(error)

    def deliver(self) -> None:
        """Called on the event loop."""
        if self.result.done():
            return
        if self.error is None:
            self.result.set_result(self.value)
        else:
            self.result.set_exception(self.error)


class _Desk:
    """What one event loop gives to threads, and what they give back: both ways, all there is at once.

    To wake a thread or a loop is a system call, and whoever wakes another soon has to share the interpreter. With a
    hundred short pieces of work in a row, thread and loop would change places a hundred times.
    """

    def __init__(self) -> None:
        self._given: list[tuple[Threads, _Work[Any]]] = []
        self._done: deque[_Work[Any]] = deque()
        self._called = False

    def give(self, threads: Threads, work: _Work[Any]) -> None:
        """Have it done, once whatever the loop has to do now is done."""
        if not self._given:
            asyncio.get_running_loop().call_soon(self._hand_out)
        self._given.append((threads, work))

    def _hand_out(self) -> None:
        given, self._given = self._given, []
        for threads, work in given:
            threads.submit(functools.partial(self._do, work))

    def _do(self, work: _Work[Any]) -> None:
        """Called in a thread."""
        work.do()
        self._done.append(work)
        if self._called:  # what is in line by the time the loop looks is seen
            return
        self._called = True
        try:
            work.result.get_loop().call_soon_threadsafe(self._take_back)
        except RuntimeError:  # the loop has been closed meanwhile: nobody waits any more
            self._called = False
            self._done.clear()

    def _take_back(self) -> None:
        self._called = False
        while self._done:
            self._done.popleft().deliver()


_desk = PerLoop(_Desk)


def _carried(error: BaseException) -> BaseException:
    """A future cannot hold ``StopIteration``: it becomes what a coroutine makes of it."""
    if not isinstance(error, StopIteration):
        return error
    made = RuntimeError(*STOPPED.args)
    made.__cause__ = error
    return made
