"""A provider that takes fewer calls at a time than the study would make: it is asked for as many as it takes."""

from typing import Any

from tests.fake_clock import FakeClock
from tests.fake_server import FakeServer, Fault
from tests.study.world import Chain, candidate, study
from treadle.compiler.lm.lm import LM
from treadle.compiler.lm.retry import RetryPolicy
from treadle.compiler.study.budget import Budget

START = candidate("")
PATIENT = RetryPolicy(attempts=30)


def test_a_ceiling_of_the_provider_is_found_and_kept_to() -> None:
    with FakeServer(reply=lambda request: "yes", ceiling=6, latency_ms=3) as server:
        lm = LM(server.base_url, model="fake")
        settings: dict[str, Any] = {"clock": FakeClock(), "policy": PATIENT}
        with study(Chain(lm), examples=302, concurrency=64, budget=Budget(calls=2_000), **settings) as s:
            (row,) = s.evaluate([START], s.splits.select)
            refused = server.counters().faults["ceiling"]
            assert all(outcome.score is not None for outcome in row)
            assert s.spend.search.calls == len(row) == 300
            assert s.spend.sent.calls == server.counters().requests == 300 + refused  # each attempt is a call
            assert server.counters().peak_in_flight <= 6
            assert 0 < refused < 300  # most of the first 64 are refused; after that it is rarely asked for too much


def test_it_grows_again_when_the_provider_has_room() -> None:
    crowded = [Fault("429", times=40, retry_after=0)]
    with FakeServer(reply=lambda request: "yes", faults=crowded, latency_ms=2) as server:
        lm = LM(server.base_url, model="fake")
        with study(Chain(lm), examples=602, concurrency=32, clock=FakeClock(), policy=PATIENT) as s:
            s.evaluate([START], s.splits.select[:100])
            server.reset()
            s.evaluate([START], s.splits.select[100:])
            assert server.counters().peak_in_flight > 8
            assert server.counters().requests == 500


def test_requests_per_minute_hold_over_a_study() -> None:
    clock = FakeClock()
    with FakeServer(reply=lambda request: "yes") as server:
        lm = LM(server.base_url, model="fake", requests_per_minute=60)
        with study(Chain(lm), examples=122, concurrency=16, clock=clock) as s:
            s.evaluate([START], s.splits.select)
        assert server.counters().requests == 120
    assert clock.now >= 59  # a minute's worth at once, the rest one a second


def test_tokens_per_minute_hold_over_a_study() -> None:
    clock = FakeClock()
    with FakeServer(reply=lambda request: "yes " * 40) as server:
        lm = LM(server.base_url, model="fake", max_tokens=100, tokens_per_minute=3_000)
        with study(Chain(lm), examples=302, concurrency=1, clock=clock) as s:
            s.evaluate([START], s.splits.select)
        used = server.counters().prompt_tokens + server.counters().completion_tokens
        assert server.counters().requests == 300
    assert used > 6_000  # more than a minute's worth
    assert used - 3_000 <= clock.now * 50 + 100
