"""Lanes: how many jobs may be under way at the same time, over all batches. Lives on the study's event loop.

A job that waits for its lane is an entry in a queue, not a task: thousands of sleeping tasks make every pass of the
garbage collector slow.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

Start = Callable[[], bool]
"""Starts a job, and says whether it takes the lane: a job that is not wanted any more does not."""


class Lanes:
    """Lanes for jobs, first come, first served.

    Args:
        count: How many there are, 1 or more.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: deque[Start] = deque()

    def enter(self, start: Start) -> None:
        """Start a job now or when a lane is free; ``leave`` is called when it has ended."""
        self._waiting.append(start)
        self._fill()

    def leave(self) -> None:
        """A job that took a lane has ended."""
        self._free += 1
        self._fill()

    def _fill(self) -> None:
        while self._free and self._waiting:
            self._free -= self._waiting.popleft()()
