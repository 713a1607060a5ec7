"""How fast an LM may be asked: calls in flight, requests per minute, tokens per minute; one limiter per LM and loop.

Calls in flight adapt as TCP does (additive increase, multiplicative decrease; Chiu and Jain 1989): a 429 halves them,
once per round of calls, and as many successes as there are places add one. Those who wait are served in order.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from treadle.compiler.lm.clock import Clock

if TYPE_CHECKING:
    import asyncio


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """What a provider allows.

    Attributes:
        concurrency: Calls in flight at most; ``None`` leaves it to the caller until the provider answers 429.
        requests_per_minute: Calls sent in a minute; ``None`` for no limit.
        tokens_per_minute: Tokens in a minute, prompt and reply together; ``None`` for no limit.
    """

    concurrency: int | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None


_ROUNDING = 1e-6  # a wait for less than this may be too short to move the clock on


class Bucket:
    """A token bucket: fills at a steady rate, holds one minute's worth, and starts full.

    Args:
        per_minute: What flows in within 60 seconds, and what fits in.
    """

    def __init__(self, per_minute: float) -> None:
        self._capacity = per_minute
        self._rate = per_minute / 60
        self._level = per_minute
        self._time: float | None = None

    def _fill(self, now: float) -> None:
        if self._time is not None:
            passed = max(0.0, now - self._time)  # some clocks go back all the same
            self._level = min(self._capacity, self._level + passed * self._rate)
        self._time = now

    def wait(self, amount: float, now: float) -> float:
        """Seconds until ``amount`` is there; more than fits in counts as a full bucket."""
        self._fill(now)
        missing = min(amount, self._capacity) - self._level
        return missing / self._rate if missing > _ROUNDING else 0.0

    def take(self, amount: float, now: float) -> None:
        """Take ``amount``, below empty where it is more than fits in; a negative amount gives back."""
        self._fill(now)
        self._level = min(self._capacity, self._level - amount)


@dataclasses.dataclass(frozen=True, slots=True)
class Permit:
    """Leave to send one attempt.

    Attributes:
        tokens: Tokens the attempt was expected to use.
        round: How often the limiter had been cut when the permit was given.
    """

    tokens: int
    round: int


class Limiter:
    """Lets attempts through as ``limits`` allow. Used from one event loop."""

    def __init__(self, limits: Limits) -> None:
        self.in_flight = 0
        self.concurrency = limits.concurrency
        self._most = limits.concurrency
        self._requests = Bucket(limits.requests_per_minute) if limits.requests_per_minute else None
        self._tokens = Bucket(limits.tokens_per_minute) if limits.tokens_per_minute else None
        self._timed = self._requests is not None or self._tokens is not None
        self._cuts = 0
        self._successes = 0
        self._waiting = 0
        self._turn: asyncio.Lock | None = None  # held by the first in the queue
        self._freed: asyncio.Event | None = None

    @property
    def counts_tokens(self) -> bool:
        """Whether ``acquire`` needs to know the tokens."""
        return self._tokens is not None

    async def acquire(self, clock: Clock, tokens: int = 0) -> Permit:
        """Wait for leave to send one attempt that uses about ``tokens`` tokens. Every permit must be released."""
        if self._waiting or self._full or (self._timed and self._wait_for_buckets(clock.monotonic(), tokens) > 0):
            await self._queue(clock, tokens)
        elif self._timed:
            self._take(clock.monotonic(), tokens)
        self.in_flight += 1
        return Permit(tokens, self._cuts)

    @property
    def _full(self) -> bool:
        return self.concurrency is not None and self.in_flight >= self.concurrency

    async def _queue(self, clock: Clock, tokens: int) -> None:
        import asyncio

        if self._turn is None or self._freed is None:
            self._turn, self._freed = asyncio.Lock(), asyncio.Event()
        self._waiting += 1
        try:
            async with self._turn:
                while True:
                    if self._full:
                        self._freed.clear()
                        await self._freed.wait()
                    elif (seconds := self._wait_for_buckets(clock.monotonic(), tokens)) > 0:
                        await clock.sleep(seconds)
                    else:
                        break
                self._take(clock.monotonic(), tokens)
        finally:
            self._waiting -= 1

    def _wait_for_buckets(self, now: float, tokens: int) -> float:
        requests = self._requests.wait(1, now) if self._requests else 0.0
        return max(requests, self._tokens.wait(tokens, now) if self._tokens else 0.0)

    def _take(self, now: float, tokens: int) -> None:
        if self._requests:
            self._requests.take(1, now)
        if self._tokens:
            self._tokens.take(tokens, now)

    def release(self, permit: Permit, clock: Clock, *, limited: bool = False, used: int | None = None) -> None:
        """Give the place back after an attempt, however it ended.

        Args:
            permit: What ``acquire`` gave.
            clock: The clock ``acquire`` was given.
            limited: The provider answered 429.
            used: Tokens the attempt used, where known.
        """
        if self._tokens and used is not None:
            self._tokens.take(used - permit.tokens, clock.monotonic())
        if limited:
            self._shrink(permit)
        elif self.concurrency is not None:
            self._grow()
        self.in_flight -= 1
        if self._freed is not None:
            self._freed.set()

    def _shrink(self, permit: Permit) -> None:
        if permit.round != self._cuts:  # sent before the last cut: that cut has answered it
            return
        self._cuts += 1
        self._successes = 0
        self.concurrency = max(1, min(self.in_flight, self.concurrency or self.in_flight) // 2)

    def _grow(self) -> None:
        self._successes += 1
        if self.concurrency is None or self._successes < self.concurrency:
            return
        self._successes = 0
        if self._most is None or self.concurrency < self._most:
            self.concurrency += 1
