"""Running coroutines from synchronous code: from scripts, notebooks, threads, and inside a running event loop.

One background thread runs one event loop for the whole process. Code that itself runs on that loop (a plain op that
calls a program) cannot wait for it, so it gets the loop of a second thread, and so on inwards. A host-mode program that
runs in a thread of its own has its coroutines run on the loop it was started from.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextvars
import functools
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class _Waiting(Generic[T]):
    """A coroutine that a thread waits for. All but ``value`` runs on the event loop."""

    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self._coroutine = coroutine
        self._result: concurrent.futures.Future[T] = concurrent.futures.Future()
        self.task: asyncio.Task[T] | None = None

    def start(self) -> None:
        """Start it, in the context of whoever scheduled this call."""
        self.task = asyncio.get_running_loop().create_task(self._coroutine)
        self.task.add_done_callback(self._ended)

    def cancel(self) -> None:
        """Cancel it, or refuse to start it."""
        if self.task is not None:
            self.task.cancel()
        else:
            self._coroutine.close()
            self._result.set_exception(asyncio.CancelledError())

    def _ended(self, task: asyncio.Task[T]) -> None:
        if task.cancelled():
            self._result.set_exception(asyncio.CancelledError())
        elif (error := task.exception()) is not None:
            self._result.set_exception(error)
        else:
            self._result.set_result(task.result())

    def value(self, loop: asyncio.AbstractEventLoop, start: Callable[[], None]) -> T:
        """Call ``start`` on the loop and wait. Calls come to a loop in order, so Ctrl-C at any point finds it out."""
        try:
            loop.call_soon_threadsafe(start)
            return self._result.result()
        except KeyboardInterrupt:
            if not self._result.done():
                loop.call_soon_threadsafe(self.cancel)
                concurrent.futures.wait([self._result])
            raise


class Home:
    """The event loop that serves a host-mode program in its own thread, until the program is cancelled."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._closed = False
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, waiting: _Waiting[Any]) -> None:
        """Start what the program waits for; where it has been cancelled, cancel it at once. Called on the loop."""
        if self._closed:
            waiting.cancel()
            return
        waiting.start()
        if waiting.task is not None:
            self._tasks.add(waiting.task)
            waiting.task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Cancel what runs, wait for its end, and refuse what comes. Called on the loop."""
        self._closed = True
        running = list(self._tasks)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


home: contextvars.ContextVar[Home | None] = contextvars.ContextVar("treadle_home", default=None)
"""Set in the thread of a host-mode program, and in what it starts with its context."""


class _Loop:
    """An event loop in a thread of its own."""

    def __init__(self, depth: int) -> None:
        self.loop = asyncio.new_event_loop()
        self._stopping = False
        self._thread = threading.Thread(target=self._serve, name=f"treadle-loop-{depth}", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        while not self._stopping:
            try:
                self.loop.run_forever()
            except (KeyboardInterrupt, SystemExit):  # raised by a task, which has it as its exception: go on
                continue

    def stop(self) -> None:
        """Cancel what runs, stop, and close."""
        if not self._thread.is_alive():
            return
        self._stopping = True
        cancelled = asyncio.run_coroutine_threadsafe(_cancel_all(), self.loop)
        concurrent.futures.wait([cancelled], timeout=_LAST_WORDS)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(_LAST_WORDS)
        if not self._thread.is_alive():
            self.loop.close()


_LAST_WORDS = 2.0  # seconds tasks get to end when the process does


async def _cancel_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()


class _Loops:
    """The background loops, outermost first."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start with none; also in a forked child, where the threads are not."""
        self._made: list[_Loop] = []
        self._lock = threading.Lock()

    def below(self, running: asyncio.AbstractEventLoop | None) -> asyncio.AbstractEventLoop:
        """The first loop, or where that one is running here the one after it."""
        with self._lock:
            known = [made.loop for made in self._made]
            depth = known.index(running) + 1 if running in known else 0
            if depth == len(self._made):
                self._made.append(_Loop(depth))
            return self._made[depth].loop

    def stop(self) -> None:
        """End all of them, when the process ends."""
        for made in self._made:
            made.stop()


_loops = _Loops()
atexit.register(_loops.stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_loops.forget)


def wait(coroutine: Coroutine[Any, Any, T]) -> T:
    """The coroutine's value, from synchronous code. Works in any thread, also where an event loop is running.

    The coroutine sees the caller's context. Ctrl-C while it waits cancels it, lets it end, and goes on as
    ``KeyboardInterrupt``. Inside a running event loop everything else on that loop stands still meanwhile: write
    ``await program.acall(…)`` there.

    >>> async def answer() -> int:
    ...     return 42
    >>> wait(answer())
    42
    """
    running, place = _running_loop(), home.get()
    waiting = _Waiting(coroutine)
    try:
        if place is not None and place.loop is not running and place.loop.is_running():
            return waiting.value(place.loop, functools.partial(place.start, waiting))
        return waiting.value(_loops.below(running), waiting.start)
    except RuntimeError as error:
        stopped = error.__cause__
        if not isinstance(stopped, StopIteration) or error.args != STOPPED.args:
            raise
    raise stopped


STOPPED = RuntimeError("coroutine raised StopIteration")
"""What Python makes of a ``StopIteration`` that leaves a coroutine; ``wait`` turns it back."""


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
