from __future__ import annotations

import asyncio

import pytest

from tests.fake_clock import FakeClock
from tests.lm.conformance import run
from treadle.compiler.lm.limits import Bucket, Limiter, Limits, Permit


async def settle() -> None:
    """Let every task that can run do so."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_without_limits_nobody_waits() -> None:
    async def scenario() -> int:
        limiter, clock = Limiter(Limits()), FakeClock()
        for _ in range(500):
            await limiter.acquire(clock)
        return limiter.in_flight

    assert run(scenario()) == 500


def test_the_rest_wait_in_order() -> None:
    async def scenario() -> list[int]:
        limiter, clock = Limiter(Limits(concurrency=2)), FakeClock()
        order: list[int] = []

        async def one(number: int) -> None:
            permit = await limiter.acquire(clock)
            order.append(number)
            assert limiter.in_flight <= 2
            await asyncio.sleep(0)
            limiter.release(permit, clock)

        await asyncio.gather(*[one(number) for number in range(20)])
        assert limiter.in_flight == 0
        return order

    assert run(scenario()) == list(range(20))


def test_nobody_overtakes_who_waits() -> None:
    async def scenario() -> list[str]:
        limiter, clock = Limiter(Limits(concurrency=1)), FakeClock()
        order: list[str] = []

        async def one(name: str) -> Permit:
            permit = await limiter.acquire(clock)
            order.append(name)
            return permit

        first = await one("first")
        waiting = asyncio.create_task(one("waiting"))
        await settle()
        limiter.release(first, clock)  # a place is free, and the one who waited has not run yet
        late = asyncio.create_task(one("late"))
        limiter.release(await waiting, clock)
        await late
        return order

    assert run(scenario()) == ["first", "waiting", "late"]


def test_cancelling_those_who_wait_loses_no_place() -> None:
    async def scenario() -> None:
        limiter, clock = Limiter(Limits(concurrency=1)), FakeClock()
        first = await limiter.acquire(clock)
        waiting = [asyncio.create_task(limiter.acquire(clock)) for _ in range(5)]
        await settle()
        for task in waiting[:4]:
            task.cancel()
        await settle()
        limiter.release(first, clock)
        limiter.release(await waiting[4], clock)
        assert limiter.in_flight == 0
        await limiter.acquire(clock)

    run(scenario())


def test_a_429_halves_once_per_round() -> None:
    async def scenario() -> list[int | None]:
        limiter, clock = Limiter(Limits()), FakeClock()
        permits = [await limiter.acquire(clock) for _ in range(64)]
        seen = []
        for permit in permits[:10]:
            limiter.release(permit, clock, limited=True)
            seen.append(limiter.concurrency)
        for permit in permits[10:]:
            limiter.release(permit, clock)
        permits = [await limiter.acquire(clock) for _ in range(8)]
        limiter.release(permits[0], clock, limited=True)
        return [*seen, limiter.concurrency]

    assert run(scenario()) == [32] * 10 + [4]


def test_it_never_shrinks_below_one() -> None:
    async def scenario() -> int | None:
        limiter, clock = Limiter(Limits(concurrency=3)), FakeClock()
        for _ in range(5):
            limiter.release(await limiter.acquire(clock), clock, limited=True)
        return limiter.concurrency

    assert run(scenario()) == 1


def test_success_adds_a_place_per_window_up_to_the_most() -> None:
    async def scenario() -> list[int | None]:
        limiter, clock = Limiter(Limits(concurrency=4)), FakeClock()
        permits = [await limiter.acquire(clock) for _ in range(4)]
        limiter.release(permits[0], clock, limited=True)
        for permit in permits[1:]:
            limiter.release(permit, clock)
        seen = [limiter.concurrency]
        for _ in range(12):
            limiter.release(await limiter.acquire(clock), clock)
            seen.append(limiter.concurrency)
        return seen

    seen = run(scenario())
    assert seen == sorted(seen, key=lambda places: places or 0)
    assert (seen[0], seen[-1]) == (3, 4)


def test_requests_per_minute_are_kept() -> None:
    async def scenario() -> FakeClock:
        limiter, clock = Limiter(Limits(requests_per_minute=60)), FakeClock()
        for _ in range(90):
            limiter.release(await limiter.acquire(clock), clock)
        return clock

    clock = run(scenario())
    assert clock.now == pytest.approx(30, abs=0.001)
    assert len(clock.slept) == 30


def test_tokens_per_minute_are_kept_and_settled() -> None:
    async def scenario() -> float:
        limiter, clock = Limiter(Limits(tokens_per_minute=6000)), FakeClock()
        assert limiter.counts_tokens
        limiter.release(await limiter.acquire(clock, 6000), clock, used=3000)  # the other half comes back
        limiter.release(await limiter.acquire(clock, 3000), clock, used=3000)
        assert clock.now == 0
        await limiter.acquire(clock, 1000)
        return clock.now

    assert run(scenario()) == pytest.approx(10, abs=0.001)


def test_a_call_larger_than_a_minute_waits_for_a_full_bucket_and_goes() -> None:
    async def scenario() -> list[float]:
        limiter, clock = Limiter(Limits(tokens_per_minute=1000)), FakeClock()
        times = []
        for _ in range(2):
            limiter.release(await limiter.acquire(clock, 5000), clock)
            times.append(clock.now)
        return times

    first, second = run(scenario())
    assert first == 0
    assert second == pytest.approx(300, abs=0.01)


def test_a_bucket_holds_one_minute() -> None:
    bucket = Bucket(60)
    assert bucket.wait(60, now=0) == 0
    bucket.take(60, now=0)
    assert bucket.wait(30, now=0) == 30
    assert bucket.wait(60, now=1e6) == 0
    bucket.take(60, now=1e6)
    assert bucket.wait(1, now=1e6) == 1


def test_a_clock_that_goes_back_takes_nothing_away() -> None:
    bucket = Bucket(60)
    bucket.take(30, 100.0)
    assert bucket.wait(30, 40.0) == 0.0
    assert bucket.wait(31, 40.0) == pytest.approx(1.0)
    assert bucket.wait(31, 41.0) == 0.0
