from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from tests.fake_clock import FakeClock
from tests.lm.conformance import run
from treadle.compiler.errors import (
    BudgetExhausted,
    ConfigurationError,
    ConnectionLost,
    DefinitiveLMError,
    LMError,
    LMTimeout,
    ProviderGarbage,
    RateLimited,
    RequestRefused,
    ServerFault,
)
from treadle.compiler.lm.limits import Limiter, Limits
from treadle.compiler.lm.lm import LM
from treadle.compiler.lm.protocol import Completion, Message, Request
from treadle.compiler.lm.retry import RetryPolicy, call, direct
from treadle.compiler.lm.scripted import Reply, Scripted


def ask(lm: LM, text: str = "hi") -> Request:
    return lm.request([Message("user", text)])


def failing(replies: Sequence[Reply], clock: FakeClock, policy: RetryPolicy | None = None) -> LMError:
    lm = Scripted(replies)
    with pytest.raises(LMError) as caught:
        run(call(lm, ask(lm), clock=clock, policy=policy or RetryPolicy()))
    return caught.value


def test_waits_grow_with_full_jitter_and_repeat_exactly() -> None:
    def waits() -> list[float]:
        clock = FakeClock()
        failing([ServerFault("down") for _ in range(6)], clock)
        return clock.slept

    slept = waits()
    assert slept == waits()
    assert len(slept) == 5
    assert all(0 <= wait <= 0.5 * 2**n for n, wait in enumerate(slept))
    assert len(set(slept)) == 5


def test_two_requests_do_not_wait_alike() -> None:
    policy, lm = RetryPolicy(), Scripted([])
    assert len({policy.wait(ask(lm, str(n)), 1, None) for n in range(20)}) == 20


def test_no_backoff_is_longer_than_said() -> None:
    policy, lm = RetryPolicy(shortest_wait=1, longest_wait=3), Scripted([])
    assert max(policy.wait(ask(lm, str(n)), 50, None) for n in range(50)) <= 3
    assert 100 <= policy.wait(ask(lm), 50, 100.0) <= 101


def test_garbage_has_attempts_of_its_own() -> None:
    clock = FakeClock()
    error = failing([ServerFault("a"), ProviderGarbage("b"), RateLimited("c"), ProviderGarbage("d"), "never"], clock)
    assert isinstance(error, ProviderGarbage)
    assert [line.split(":")[1].strip() for line in error.attempts] == [
        "ServerFault", "ProviderGarbage", "RateLimited", "ProviderGarbage",
    ]  # fmt: skip


def test_a_definitive_error_is_raised_at_once() -> None:
    clock = FakeClock()
    error = failing([RequestRefused("no"), "never"], clock)
    assert isinstance(error, DefinitiveLMError)
    assert clock.slept == []
    assert error.attempts == ("attempt 1: RequestRefused: no",)


def test_the_history_is_told_and_holds_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "zq9-planted-777")
    error = failing([ConnectionLost("zq9-planted-777", billed=True), RequestRefused("no")], FakeClock())
    assert error.billed
    assert "zq9-planted-777" not in str(error.attempts) + str(error.__notes__)
    assert "waited" in error.attempts[0]


def test_a_bug_is_not_retried() -> None:
    def answer(request: Request) -> str:
        raise ZeroDivisionError("mine")

    lm = Scripted(answer)
    with pytest.raises(ZeroDivisionError):
        run(direct(lm, ask(lm)))


def test_the_deadline_ends_the_waits() -> None:
    clock = FakeClock()
    error = failing([RateLimited("later", retry_after=50)] * 9, clock, RetryPolicy(deadline=120, attempts=9))
    assert len(clock.slept) == 2
    assert sum(clock.slept) < 120
    assert "gave up" in error.attempts[-1]


def test_the_deadline_cuts_an_attempt_short() -> None:
    async def never(request: Request) -> str:
        await asyncio.Event().wait()
        return ""

    lm = Scripted(never, timeout=1000)
    with pytest.raises(LMTimeout, match=r"within 0\.02 s"):
        run(call(lm, ask(lm), policy=RetryPolicy(deadline=0.02, attempts=1), clock=FakeClock()))


class Books:
    """Hooks that note what they are told."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, int, str]] = []

    async def before(self, attempt: int) -> None:
        self.entries.append(("before", attempt, ""))

    def after(self, attempt: int, outcome: Completion | BaseException) -> None:
        self.entries.append(("after", attempt, type(outcome).__name__))


def test_every_attempt_is_told_before_and_after() -> None:
    books, lm = Books(), Scripted([RateLimited("x"), "yes"])
    run(call(lm, ask(lm), clock=FakeClock(), before_attempt=books.before, after_attempt=books.after))
    assert books.entries == [
        ("before", 1, ""), ("after", 1, "RateLimited"), ("before", 2, ""), ("after", 2, "Completion"),
    ]  # fmt: skip


def test_what_the_hook_forbids_is_not_sent() -> None:
    def forbid(attempt: int) -> None:
        raise BudgetExhausted("cap")

    books, lm, limiter = Books(), Scripted([]), Limiter(Limits(concurrency=1))
    with pytest.raises(BudgetExhausted):
        run(call(lm, ask(lm), before_attempt=forbid, after_attempt=books.after, limiter=limiter))
    assert books.entries == []
    assert limiter.in_flight == 0


def test_cancellation_goes_through_at_once_and_is_booked() -> None:
    books, limiter, clock = Books(), Limiter(Limits(concurrency=1)), FakeClock()

    async def scenario() -> None:
        begun = asyncio.Event()

        async def never(request: Request) -> str:
            begun.set()
            await asyncio.Event().wait()
            return ""

        lm = Scripted(never)
        task = asyncio.create_task(call(lm, ask(lm), clock=clock, limiter=limiter, after_attempt=books.after))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(scenario())
    assert books.entries == [("after", 1, "CancelledError")]
    assert limiter.in_flight == 0
    assert clock.slept == []


def test_a_wait_between_attempts_holds_no_place() -> None:
    limiter = Limiter(Limits(concurrency=1))
    free: list[int] = []

    class Watching(FakeClock):
        async def sleep(self, seconds: float) -> None:
            free.append(limiter.in_flight)
            await super().sleep(seconds)

    lm = Scripted([ServerFault("x"), "yes"])
    assert run(call(lm, ask(lm), clock=Watching(), limiter=limiter)).text == "yes"
    assert free == [0]


def test_a_429_shrinks_the_limits_and_the_call_still_succeeds() -> None:
    lm = Scripted([RateLimited("x"), "yes"], concurrency=8)
    limiter = Limiter(lm.limits)
    assert run(call(lm, ask(lm), clock=FakeClock(), limiter=limiter)).text == "yes"
    assert limiter.concurrency == 2  # cut to one, then one more for the success


@pytest.mark.parametrize(
    "settings", [{"attempts": 0}, {"garbage_attempts": 0}, {"deadline": 0}, {"shortest_wait": 5, "longest_wait": 1}]
)
def test_an_impossible_policy_is_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError):
        RetryPolicy(**settings)
