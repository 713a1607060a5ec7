import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.fake_clock import FakeClock
from tests.fake_server import FakeServer, Fault
from tests.study.world import IMPATIENT, Chain, Provider, candidate, study
from treadle.compiler.errors import (
    AuthenticationFailed,
    BudgetExhausted,
    ConfigurationError,
    LMTimeout,
    RateLimited,
    ReplyTruncated,
    RequestRefused,
    ServerFault,
    StudyError,
)
from treadle.compiler.lm.lm import LM
from treadle.compiler.lm.protocol import Completion, Message, Request
from treadle.compiler.lm.retry import RetryPolicy
from treadle.compiler.redact import Secret
from treadle.compiler.study.attempts import Attempts, Recovered, recover
from treadle.compiler.study.budget import NOTHING, Amount, Budget, Caps
from treadle.compiler.study.caller import Scope, StudyCaller
from treadle.compiler.study.events import Event, Events
from treadle.compiler.study.ledger import LogicalLedger
from treadle.compiler.study.store import Row, Store

START = candidate("")
UNCAPPED = Budget()


class Desk:
    """A caller with all it needs, and a job that calls through it."""

    def __init__(
        self, budget: Budget = UNCAPPED, *, store: Store | None = None, concurrency: int = 8, **settings: Any
    ) -> None:
        self.told: list[Event] = []
        events = Events(listener=self.told.append)
        self.store = store or Store(None)
        self.ledger = LogicalLedger(budget.search)
        self.attempts = Attempts(self.store, budget, self.ledger, run=1, events=events)
        settings.setdefault("policy", IMPATIENT)
        self.caller = StudyCaller(self.store, self.attempts, concurrency=concurrency, events=events, **settings)

    def scope(self, allowance: int | None = None) -> Scope:
        hold = self.ledger.admit(NOTHING)
        assert hold is not None
        self.ledger.begin(hold)
        return Scope(self.caller, self.ledger, hold, allowance=allowance, role="task")


def ask(lm: LM, text: str = "hello", **settings: Any) -> Request:
    return lm.request([Message("user", text)], **settings)


def run(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    return asyncio.run(main())


# --- each call once ---------------------------------------------------------------------------------------------------


def test_identical_requests_in_flight_share_one_call() -> None:
    async def main() -> None:
        provider, desk = Provider(scramble=0), Desk()
        lm = provider.lm()
        scopes = [desk.scope() for _ in range(20)]
        replies = await asyncio.gather(*[scope(lm, ask(lm)) for scope in scopes])
        assert provider.calls == 1
        assert len({reply.text for reply in replies}) == 1
        assert [len(scope.charges) for scope in scopes] == [1] * 20

    run(main)


def test_another_sample_is_another_call() -> None:
    async def main() -> None:
        provider, desk = Provider(), Desk()
        lm = provider.lm()
        scope = desk.scope()
        one = await scope(lm, ask(lm, sample="a"))
        two = await scope(lm, ask(lm, sample="b"))
        assert one != two
        assert provider.calls == 2

    run(main)


def test_a_stored_reply_is_never_asked_for_again_and_says_that_it_is_stored() -> None:
    async def main() -> None:
        provider, desk = Provider(), Desk()
        lm = provider.lm()
        first = await desk.scope()(lm, ask(lm))
        again = await desk.scope()(lm, ask(lm))
        assert (first.cached, again.cached) == (False, True)
        assert (first.text, first.usage, first.cost) == (again.text, again.usage, again.cost)
        assert provider.calls == 1
        assert desk.caller.from_store == {"task": 1}

    run(main)


def test_a_reply_is_delivered_after_its_commit_and_no_more_than_the_slots_are_sent_before_it() -> None:
    committed: list[str] = []

    class Watched(Store):
        def _commit(self, rows: Sequence[Row]) -> None:
            super()._commit(rows)
            committed.extend(key for table, key, _ in rows if table == "replies")

    async def main() -> None:
        store = Watched(None)
        exposed: list[int] = []  # at each sending: what was sent and would be repeated after a crash

        def watch(request: Request, time: int) -> None:
            exposed.append(provider.calls - len(committed))

        provider, desk = Provider(scramble=2, fail=watch), Desk(store=store, concurrency=3)
        lm = provider.lm()

        async def call(number: int) -> None:
            request = ask(lm, str(number))
            await desk.scope()(lm, request)
            assert request.key in committed

        await asyncio.gather(*[call(number) for number in range(30)])
        assert provider.calls == len(committed) == 30
        assert max(exposed) == 3

    run(main)


@pytest.mark.parametrize("error", [RequestRefused("no"), ReplyTruncated("cut", billed=True)])
def test_a_definitive_failure_is_stored(error: Exception) -> None:
    async def main() -> None:
        provider, desk = Provider(fail=lambda request, time: error), Desk()
        lm = provider.lm()
        for _ in range(2):
            with pytest.raises(type(error), match=str(error)):
                await desk.scope()(lm, ask(lm))
        assert provider.calls == 1

    run(main)


@pytest.mark.parametrize(
    ("error", "advice"), [(AuthenticationFailed("bad key"), "give a key"), (ServerFault("down"), "see to the provider")]
)
def test_what_may_pass_stops_the_study_and_is_not_stored(error: Exception, advice: str) -> None:
    async def main() -> None:
        provider, desk = Provider(fail=lambda request, time: error), Desk()
        lm = provider.lm()
        scope = desk.scope()
        with pytest.raises(StudyError, match=f"{error} .*{advice}"):
            await scope(lm, ask(lm))
        assert isinstance(scope.stopped, StudyError)
        with pytest.raises(StudyError, match="has stopped"):
            await desk.scope()(lm, ask(lm, "other"))
        assert list(desk.store.scan("replies")) == []
        assert [event.kind for event in desk.told] == ["stopped"]

    run(main)


def test_a_call_nobody_waits_for_any_more_is_cancelled_and_counts_as_sent() -> None:
    async def main() -> None:
        arrived, desk = asyncio.Event(), Desk(Budget(tokens=100_000))

        async def never(request: Request) -> str:
            arrived.set()
            await asyncio.Event().wait()
            return ""

        lm = Provider().lm()
        lm.provider._answer = never  # type: ignore[attr-defined]  # the scripted provider's function
        waiting = [asyncio.ensure_future(desk.scope()(lm, ask(lm))) for _ in range(2)]
        await arrived.wait()
        waiting[0].cancel()
        await asyncio.wait(waiting[:1])
        assert len(desk.caller._tasks) == 1  # the other one still wants it
        waiting[1].cancel()
        await asyncio.wait(waiting[1:])
        await desk.caller.drain()
        await desk.store.committed()
        assert desk.attempts.ledger.spent == Amount(1, sum(lm.worst_tokens(ask(lm))), None)
        assert recover(desk.store).lost == 0

    run(main)


@pytest.mark.parametrize("metered", [False, True])
def test_a_call_cancelled_at_any_moment_leaves_the_books_in_order(metered: bool) -> None:
    async def cancelled_after(ticks: int) -> bool:
        errors: list[Exception | None] = [RateLimited("slow"), None]
        provider = Provider(scramble=1, fail=lambda request, time: errors[time - 1])
        desk = Desk(Budget(tokens=100_000))
        lm = provider.lm()
        hold = desk.ledger.admit(NOTHING)
        assert hold is not None
        desk.ledger.begin(hold)
        scope = Scope(desk.caller, desk.ledger, hold, allowance=0 if metered else None, role="task")
        call = asyncio.ensure_future(scope(lm, ask(lm)))
        for _ in range(ticks):
            await asyncio.sleep(0)
        ended = call.done()
        call.cancel()
        await asyncio.wait([call])
        await desk.caller.drain()
        await desk.store.committed()
        desk.ledger.end(hold)
        desk.ledger.release(hold)
        found = recover(desk.store)
        assert found.lost == 0
        assert found.spent == desk.attempts.ledger.spent
        assert provider.calls <= found.spent.calls <= found.attempts  # what was never sent costs nothing
        assert (desk.attempts.ledger._in_flight, desk.attempts.ledger._reserved) == (0, NOTHING)
        assert (desk.ledger._now, desk.ledger._rooms, desk.ledger._root._open) == (NOTHING, {}, {})
        assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert ended or call.cancelled()
        return ended

    ticks = 0
    while not asyncio.run(cancelled_after(ticks)):
        ticks += 1
    assert ticks > 10


def test_keys_in_replies_and_errors_go_no_further() -> None:
    async def main() -> None:
        secret = Secret("correct-horse-battery-2")
        told = iter([f"your key is {secret.reveal()}"])

        def fail(request: Request, time: int) -> Exception | None:
            return RequestRefused(f"bad key {secret.reveal()}") if request.sample == "bad" else None

        provider, desk = Provider(fail=fail), Desk()
        lm = provider.lm()
        lm.provider._answer = lambda request: next(told)  # type: ignore[attr-defined]  # as above
        first = await desk.scope()(lm, ask(lm))
        again = await desk.scope()(lm, ask(lm))
        assert first.text == again.text == "your key is [redacted]"
        lm = provider.lm()
        with pytest.raises(RequestRefused, match=r"bad key \[redacted\]"):
            await desk.scope()(lm, ask(lm, sample="bad"))
        assert secret.reveal() not in str([list(desk.store.scan(table)) for table in ("replies", "attempts")])

    run(main)


# --- the books --------------------------------------------------------------------------------------------------------


def test_every_attempt_is_a_call_and_what_may_have_been_billed_counts_at_its_worst() -> None:
    errors: list[Exception | None] = [RateLimited("slow"), LMTimeout("late", billed=True), None]

    async def main() -> None:
        provider = Provider(fail=lambda request, time: errors[time - 1])
        desk = Desk(Budget(tokens=100_000))
        lm = provider.lm()
        reply = await desk.scope()(lm, ask(lm))
        assert reply.usage is not None
        used = reply.usage.input_tokens + reply.usage.output_tokens
        worst = sum(lm.worst_tokens(ask(lm)))
        await desk.store.committed()
        assert desk.attempts.ledger.spent.tokens == worst + used
        assert desk.attempts.ledger.spent.calls == 3 == recover(desk.store).attempts
        assert recover(desk.store).spent.tokens == worst + used

    run(main)


def test_the_row_of_an_attempt_is_committed_before_it_is_sent() -> None:
    async def main() -> None:
        desk = Desk()
        seen: list[int] = []

        def look(request: Request, time: int) -> None:
            seen.append(recover(desk.store).lost)

        lm = Provider(fail=look).lm()
        await desk.scope()(lm, ask(lm))
        await desk.store.committed()
        assert seen == [1]
        assert recover(desk.store).lost == 0

    run(main)


def test_attempts_lost_in_a_crash_count_at_their_worst_case(tmp_path: Path) -> None:
    async def main() -> None:
        desk = Desk(store=Store(tmp_path))
        lm = Provider().lm()
        worst = Amount(1, 100, None)
        numbers = await asyncio.gather(*[desk.attempts.enter(worst, "task", lm) for _ in range(3)])
        desk.attempts.leave(numbers[1], worst, Amount(1, 40, 0.5))
        desk.store.close()

    run(main)
    again = Store(tmp_path)
    found = recover(again)
    again.close()
    assert (found.spent, found.attempts, found.lost) == (Amount(3, 240, None), 3, 2)


def test_what_a_damaged_row_says_was_sent_counts_like_the_largest_of_the_others_until_it_is_settled() -> None:
    async def main() -> None:
        desk = Desk(store=Store(None, warn=lambda text: None))
        lm = Provider().lm()
        worst = Amount(1, 100, 0.0)
        numbers = await asyncio.gather(*[desk.attempts.enter(worst, "task", lm) for _ in range(3)])
        desk.store._connection.execute("UPDATE attempts SET body = 'x'")
        assert recover(desk.store) == Recovered(spent=Amount(calls=3), attempts=3, lost=3)
        desk.attempts.leave(numbers[2], worst, Amount(1, 40, 0.0))
        await desk.store.committed()
        assert recover(desk.store) == Recovered(spent=Amount(3, 120, 0.0), attempts=3, lost=2)

    run(main)


def test_a_row_that_is_damaged_with_its_key_counts_as_a_call() -> None:
    store = Store(None, warn=lambda text: None)
    store._connection.execute("INSERT INTO attempts VALUES ('1', 'x', x'00')")
    assert recover(store).spent == Amount(calls=1)


def test_what_was_sent_and_settled_in_a_tick_is_one_row() -> None:
    written: list[list[str]] = []

    class Watched(Store):
        def _commit(self, rows: Sequence[Row]) -> None:
            super()._commit(rows)
            written.append([table for table, _, _ in rows])

    async def main() -> None:
        desk = Desk(store=Watched(None), concurrency=50)
        lm = Provider(scramble=1).lm()
        await asyncio.gather(*[desk.scope()(lm, ask(lm, str(number))) for number in range(50)])
        assert all(tables.count("attempts") <= 1 for tables in written)
        assert sum(tables.count("replies") for tables in written) == 50
        assert recover(desk.store) == Recovered(spent=desk.attempts.ledger.spent, attempts=50, lost=0)

    run(main)


def test_an_unknown_price_under_a_cap_on_dollars_is_refused_with_the_line_that_fixes_it() -> None:
    async def main() -> None:
        provider, desk = Provider(), Desk(Budget(usd=1.0))
        lm = LM("mine", provider=provider.lm().provider)
        for allowance in (None, 0):
            with pytest.raises(ConfigurationError, match=r"price of 'mine' is unknown: .*price="):
                await desk.scope(allowance)(lm, ask(lm))
        assert provider.calls == 0

    run(main)


def test_without_a_cap_on_dollars_an_unknown_price_is_no_matter() -> None:
    async def main() -> None:
        desk = Desk(Budget(calls=10))
        lm = LM("mine", provider=Provider().lm().provider)
        await desk.scope()(lm, ask(lm))
        assert desk.attempts.ledger.spent.usd is None

    run(main)


def test_unknown_usage_under_a_cap_on_tokens_counts_at_its_worst_case_and_is_told_once() -> None:
    async def main() -> None:
        desk = Desk(Budget(tokens=10_000))
        lm = Provider().lm(usage=None, max_tokens=100)
        request = ask(lm)
        await desk.scope()(lm, request)
        await desk.scope()(lm, ask(lm, "again"))
        assert desk.attempts.ledger.spent.tokens >= 2 * sum(lm.worst_tokens(request))
        warnings = [event for event in desk.told if event.kind == "warning"]
        assert len(warnings) == 1
        assert "Budget(calls=…)" in str(warnings[0].fields["text"])

    run(main)


def test_a_metered_job_pays_for_a_reply_once() -> None:
    async def main() -> None:
        desk = Desk(Budget(calls=2))
        lm = Provider().lm()
        scope = desk.scope(0)
        await scope(lm, ask(lm))
        desk.ledger.charge(scope.charges[0].key, "task", scope.charges[0].amount)
        await scope(lm, ask(lm))
        with pytest.raises(BudgetExhausted):
            await scope(lm, ask(lm, "other"))
        assert isinstance(scope.stopped, BudgetExhausted)

    run(main)


def test_a_reply_that_came_while_a_call_waited_for_room_is_not_asked_for_again() -> None:
    async def main() -> None:
        provider, desk = Provider(), Desk(Budget(calls=3))
        lm = provider.lm()
        hold = desk.ledger.admit(Amount(2))
        assert hold is not None
        desk.ledger.begin(hold)
        admitted = Scope(desk.caller, desk.ledger, hold, allowance=2, role="task")
        waiting = asyncio.ensure_future(desk.scope(0)(lm, ask(lm)))
        await asyncio.sleep(0)
        await admitted(lm, ask(lm))
        assert not waiting.done()
        desk.ledger.end(hold)
        assert (await waiting).cached
        assert provider.calls == 1

    run(main)


def test_a_job_that_makes_more_calls_than_it_was_admitted_for_ends_where_there_is_no_room() -> None:
    """The last of its calls in flight frees nothing for the one that waits, and who waits has to notice."""

    async def main() -> None:
        desk = Desk(Budget(calls=3))
        lm = Provider().lm()
        hold = desk.ledger.admit(Amount(2))
        assert hold is not None
        desk.ledger.begin(hold)
        scope = Scope(desk.caller, desk.ledger, hold, allowance=2, role="task")
        calls = [asyncio.ensure_future(scope(lm, ask(lm, f"{number}"))) for number in range(3)]
        _, pending = await asyncio.wait(calls, timeout=5)
        assert not pending
        assert [isinstance(call.exception(), BudgetExhausted) for call in calls] == [False, False, True]

    run(main)


# --- against a server that counts -------------------------------------------------------------------------------------


def evaluate(server: FakeServer, budget: Budget, *, bound: int | None = 0, timeout: float = 60, **settings: Any) -> Any:
    lm = LM(server.base_url, model="fake", max_tokens=20, price=(1.0, 3.0), timeout=timeout)
    settings.setdefault("policy", RetryPolicy(attempts=4, shortest_wait=0.0, longest_wait=0.0))
    settings.setdefault("clock", FakeClock())
    with study(Chain(lm, bound=bound), examples=402, budget=budget, concurrency=64, **settings) as s:
        try:
            s.evaluate([START], s.splits.select)
        except StudyError as error:
            return error, s.spend
        return None, s.spend


@pytest.mark.parametrize("bound", [0, None])
def test_64_concurrent_calls_never_pass_a_cap_of_10_calls(bound: int | None) -> None:
    with FakeServer(reply=lambda request: "yes", latency_ms=5) as server:
        error, spend = evaluate(server, Budget(calls=10), bound=bound)
        assert server.counters().requests == 9 == spend.sent.calls
    assert isinstance(error, BudgetExhausted)


LONG = "word " * 15
CAPS = [Budget(calls=10), Budget(tokens=5_000), Budget(usd=0.01)]
FAULTS: dict[str, list[Fault]] = {
    "none": [],
    "429": [Fault("429", times=None, probability=0.4)],
    "500": [Fault("500", times=None, probability=0.4)],
    "timeout": [Fault("timeout", times=4)],
    "drop": [Fault("drop", times=None, probability=0.3)],
    "no usage": [Fault("no_usage", times=None, probability=0.5)],
    "garbage": [Fault("html", times=2), Fault("no_choices", times=2)],
}


@pytest.mark.parametrize("faults", FAULTS)
@pytest.mark.parametrize("budget", CAPS, ids=str)
def test_no_cap_is_passed_as_the_server_counts_it(budget: Budget, faults: str) -> None:
    with FakeServer(reply=lambda request: LONG, faults=FAULTS[faults], latency_ms=2) as server:
        error, spend = evaluate(server, budget, timeout=0.3 if faults == "timeout" else 60)
        counters = server.counters()
    finished = error is None or isinstance(error, BudgetExhausted)  # else calls were given up on their way
    tokens = counters.prompt_tokens + counters.completion_tokens
    billed = Amount(
        counters.requests, tokens, (counters.prompt_tokens * 1.0 + counters.completion_tokens * 3.0) / 1_000_000
    )
    assert Caps(**budget.to_json()).exceeded(billed) == ""  # type: ignore[arg-type]  # as it was written
    assert spend.sent.calls == counters.requests or (not finished and spend.sent.calls > counters.requests)
    assert spend.sent.tokens >= tokens
    if faults == "none":
        assert isinstance(error, BudgetExhausted)


def test_without_faults_a_search_goes_on_while_the_next_worst_case_fits() -> None:
    with FakeServer(reply=lambda request: LONG) as server:
        lm = LM(server.base_url, model="fake", max_tokens=20)
        error, spend = evaluate(server, Budget(tokens=2_000))
    worst = sum(lm.worst_tokens(ask(lm, " q99")))
    assert isinstance(error, BudgetExhausted)
    assert 1_800 - spend.search.tokens < worst + 1


def test_completions_round_trip_through_the_store(tmp_path: Path) -> None:
    lm = Provider().lm()
    lm.provider._answer = lambda request: Completion(  # type: ignore[attr-defined]  # the scripted provider's function
        text="a\x00b", finish_reason="unsupported", model="other-name", cost=0.25, repaired="surrogates"
    )

    async def main() -> tuple[Completion, Completion]:
        store = Store(tmp_path)
        first = await Desk(store=store).scope()(lm, ask(lm))
        store.close()
        again = Store(tmp_path)
        second = await Desk(store=again).scope()(lm, ask(lm))
        again.close()
        return first, second

    first, second = run(main)
    for name in ("text", "usage", "finish_reason", "model", "cost", "repaired", "seconds"):
        assert getattr(first, name) == getattr(second, name)
    assert first.finish_reason == "unsupported"
