"""Things that belong to one event loop, such as connections, and end with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

T = TypeVar("T")


class PerLoop(Generic[T]):
    """One ``T`` per event loop, made on first use.

    Args:
        make: Makes the thing, on the loop it will belong to.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._things: WeakKeyDictionary[AbstractEventLoop, T] = WeakKeyDictionary()

    def get(self) -> T:
        """The running loop's."""
        from asyncio import get_running_loop

        loop = get_running_loop()
        thing = self._things.get(loop)
        if thing is None:
            thing = self._things[loop] = self._make()
        return thing
