"""Things that belong to one event loop, such as connections, and end with it.

A loop has one moment at which it lets go of what it holds: ``loop.shutdown_asyncgens()``, which ``asyncio.run`` and
every other runner calls last. So a thing that must be closed lives inside an async generator: it is closed there.
"""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")

_CLOSING_SECONDS = 2.0  # how long the end of the process waits for a loop in another thread


class PerLoop(Generic[T]):
    """One ``T`` per event loop, made on first use and closed when the loop ends.

    Args:
        make: Makes the thing, on the loop it will belong to.
        close: Closes it, on the same loop; ``None`` where there is nothing to close.
    """

    def __init__(self, make: Callable[[], T], close: Callable[[T], Awaitable[None]] | None = None) -> None:
        self._make = make
        self._close = close
        self._things: WeakKeyDictionary[asyncio.AbstractEventLoop, T] = WeakKeyDictionary()
        self._holders: dict[asyncio.AbstractEventLoop, AsyncGenerator[T, None]] = {}
        if close is not None:
            atexit.register(self._close_all)

    def get(self) -> T:
        """The running loop's."""
        loop = asyncio.get_running_loop()
        thing = self._things.get(loop)
        return self._add(loop) if thing is None else thing

    def _add(self, loop: asyncio.AbstractEventLoop) -> T:
        for old in [old for old in list(self._things) if old.is_closed()]:  # ended without saying so
            self._things.pop(old, None)
            self._holders.pop(old, None)
        if self._close is None:
            thing = self._make()
        else:
            holder = self._holders[loop] = self._hold(loop, self._close)
            thing = _first(holder)
        self._things[loop] = thing
        return thing

    async def _hold(
        self, loop: asyncio.AbstractEventLoop, close: Callable[[T], Awaitable[None]]
    ) -> AsyncGenerator[T, None]:
        thing = self._make()
        try:
            yield thing
        finally:
            self._things.pop(loop, None)
            self._holders.pop(loop, None)
            await close(thing)

    def _close_all(self) -> None:
        """Close what belongs to loops that outlive the main thread: those of daemon threads."""
        for loop, holder in list(self._holders.items()):
            if loop.is_running():
                closing = asyncio.run_coroutine_threadsafe(_end(holder), loop)
                try:
                    closing.result(_CLOSING_SECONDS)
                except Exception:  # the process is ending: there is nobody to tell
                    closing.cancel()


def _first(holder: AsyncGenerator[T, None]) -> T:
    """What ``holder`` yields first. It awaits nothing until then, so it can be run to there at once."""
    try:
        holder.__anext__().__await__().__next__()
    except StopIteration as reached:
        thing: T = reached.value
        return thing
    raise RuntimeError("making a per-loop thing may not wait")


async def _end(holder: AsyncGenerator[T, None]) -> None:
    await holder.aclose()
