"""A clock that waits without waiting."""

from __future__ import annotations

import asyncio


class FakeClock:
    """Sleeping moves the time on at once; what was slept is kept in ``slept``."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)
