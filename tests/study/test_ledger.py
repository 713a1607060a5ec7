import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from treadle.compiler.errors import BudgetExhausted, StudyError
from treadle.compiler.study.budget import NOTHING, Amount, Budget, Caps
from treadle.compiler.study.ledger import Hold, LogicalLedger, RealLedger


def one(calls: int = 1, tokens: int = 0) -> Amount:
    return Amount(calls, tokens)


def gone(cap: str) -> StudyError:
    return StudyError(f"no room under {cap}")


async def soon(*coroutines: Coroutine[Any, Any, Any]) -> list["asyncio.Task[Any]"]:
    """Start them and let them go as far as they get."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    for _ in range(5):
        await asyncio.sleep(0)
    return tasks


# --- the real ledger --------------------------------------------------------------------------------------------------


def test_a_reservation_waits_for_what_is_in_flight_and_then_goes_on() -> None:
    async def main() -> None:
        ledger = RealLedger(Budget(tokens=100))
        await ledger.reserve(Amount(1, 60), gone)
        (waiting,) = await soon(ledger.reserve(Amount(1, 60), gone))
        assert not waiting.done()
        ledger.settle(Amount(1, 60), Amount(1, 10))
        await waiting
        assert ledger.spent == Amount(1, 10)

    asyncio.run(main())


def test_it_fails_when_nothing_is_in_flight() -> None:
    async def main() -> None:
        ledger = RealLedger(Budget(calls=2), Amount(2))
        with pytest.raises(StudyError, match="no room under calls"):
            await ledger.reserve(one(), gone)

    asyncio.run(main())


def test_all_who_wait_fail_when_the_last_in_flight_frees_nothing() -> None:
    async def main() -> None:
        ledger = RealLedger(Budget(calls=1))
        await ledger.reserve(one(), gone)
        waiting = await soon(*[ledger.reserve(one(), gone) for _ in range(3)])
        ledger.settle(one(), one())
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [str(result) for result in results] == ["no room under calls"] * 3

    asyncio.run(main())


def test_who_stops_waiting_leaves_nothing_behind() -> None:
    async def main() -> None:
        ledger = RealLedger(Budget(calls=1))
        await ledger.reserve(one(), gone)
        (waiting,) = await soon(ledger.reserve(one(), gone))
        waiting.cancel()
        await asyncio.wait([waiting])
        ledger.settle(one(), NOTHING)
        await ledger.reserve(one(), gone)

    asyncio.run(main())


def test_names_the_cap_that_finishes_the_search() -> None:
    ledger = RealLedger(Budget(calls=100, tokens=1000, usd=0.5), Amount(95, 990, 0.4))
    assert ledger.cap_to_finish("calls", Amount(40)) == "calls=150"
    assert ledger.cap_to_finish("tokens", Amount(0, 10)) == "tokens=1112"
    assert ledger.cap_to_finish("usd", Amount(0, 0, 0.05)) == "usd=0.5"


# --- the logical ledger -----------------------------------------------------------------------------------------------


def test_admits_while_worst_cases_fit_and_frees_at_release() -> None:
    ledger = LogicalLedger(Caps(calls=5))
    holds = [ledger.admit(one(2)) for _ in range(3)]
    assert [hold is not None for hold in holds] == [True, True, False]
    assert ledger.left.calls == 1
    assert holds[0] is not None
    ledger.end(holds[0])
    assert ledger.left.calls == 1  # what a job turned out to use shows at its barrier only
    ledger.charge("key", "task", one())
    ledger.release(holds[0])
    assert ledger.left.calls == 2


def test_a_reply_is_charged_once_whoever_asks_again() -> None:
    ledger = LogicalLedger(Caps())
    part = LogicalLedger(Caps(), parent=ledger)
    part.charge("key", "task", one(1, 10))
    ledger.charge("key", "proposer", one(1, 10))
    part.charge("other", "proposer", one(1, 5))
    assert (ledger.settled, part.settled) == (one(2, 15), one(2, 15))
    assert ledger.charged.by_role == {"task": one(1, 10), "proposer": one(1, 5)}


def test_a_part_is_bound_by_itself_and_by_the_whole() -> None:
    ledger = LogicalLedger(Caps(calls=5))
    part = LogicalLedger(Caps(calls=3), parent=ledger)
    assert part.admit(one(4)) is None
    assert ledger.admit(one(3)) is not None
    assert part.admit(one(3)) is None
    assert part.admit(one(2)) is not None
    assert (part.left.calls, ledger.left.calls) == (0, 0)


def test_a_metered_call_waits_while_another_job_may_free_room() -> None:
    async def main() -> None:
        ledger = LogicalLedger(Caps(tokens=100))
        first, second = ledger.admit(NOTHING), ledger.admit(NOTHING)
        assert first is not None
        assert second is not None
        ledger.begin(first)
        ledger.begin(second)
        await ledger.meter(first, "a", one(1, 70))
        first.flying += 1
        (waiting,) = await soon(ledger.meter(second, "b", one(1, 70)))
        assert not waiting.done()
        ledger.arrived("a", one(1, 20))
        first.flying -= 1
        await waiting
        assert ledger.metered

    asyncio.run(main())


def test_metered_calls_fail_together_when_none_can_free_room() -> None:
    async def main() -> None:
        ledger = LogicalLedger(Caps(calls=1))
        holds = [hold for _ in range(3) if (hold := ledger.admit(NOTHING)) is not None]
        for hold in holds:
            ledger.begin(hold)
        await ledger.meter(holds[0], "first", one())
        ledger.arrived("first", one())

        async def job(hold: Hold) -> None:
            try:
                await ledger.meter(hold, f"other {id(hold)}", one())
            finally:
                ledger.end(hold)

        waiting = await soon(job(holds[1]), job(holds[2]))
        assert not any(task.done() for task in waiting)  # the first job might still end
        ledger.end(holds[0])
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(result) for result in results] == [BudgetExhausted] * 2

    asyncio.run(main())


def test_an_ended_job_frees_for_metered_calls_what_it_did_not_use() -> None:
    async def main() -> None:
        ledger = LogicalLedger(Caps(calls=4))
        admitted, metered = ledger.admit(one(4)), ledger.admit(NOTHING)
        assert admitted is not None
        assert metered is not None
        ledger.begin(admitted)
        ledger.begin(metered)
        (waiting,) = await soon(ledger.meter(metered, "k", one()))
        assert not waiting.done()
        admitted.used.update(a=one(), b=one())
        ledger.end(admitted)
        await waiting
        assert ledger.over(one())  # but not for admission, before the barrier

    asyncio.run(main())


def test_a_reply_that_several_jobs_use_holds_room_once() -> None:
    async def main() -> None:
        ledger = LogicalLedger(Caps(tokens=100))
        part = LogicalLedger(Caps(tokens=90), parent=ledger)
        holds = [hold for _ in range(3) if (hold := part.admit(NOTHING)) is not None]
        for hold in holds:
            part.begin(hold)
            await part.meter(hold, "same", one(1, 70))
        part.give_back(holds[2], "same")  # cancelled: the others still want it
        part.arrived("same", one(1, 60))
        await part.meter(holds[2], "other", one(1, 30))
        part.end(holds[0])
        part.charge("same", "task", one(1, 60))
        part.release(holds[0])
        for hold in holds[1:]:
            hold.waiting = 1
        with pytest.raises(BudgetExhausted):
            await part.meter(holds[1], "third", one(1, 1))
        for hold in holds[1:]:
            part.end(hold)
            part.release(hold)
        assert (part.left.tokens, ledger.left.tokens) == (30, 40)  # the other call's job was not charged
        assert (part._now, part._rooms, ledger._now, ledger._rooms) == (NOTHING, {}, NOTHING, {})

    asyncio.run(main())


def test_what_jobs_used_keeps_later_ones_back_unless_they_are_alone() -> None:
    ledger = LogicalLedger(Caps(tokens=100))
    assert ledger.typical("task") is None
    ledger.learn("task", one(1, 30))
    ledger.learn("task", one(2, 20))
    typical = ledger.typical("task")
    assert typical == one(2, 30)
    assert [ledger.admit(NOTHING, typical) is not None for _ in range(4)] == [True, True, True, False]
    assert ledger.admit(NOTHING, typical, alone=True) is not None


def test_dollars_do_not_drift() -> None:
    ledger = LogicalLedger(Caps(usd=1.0))
    for _ in range(1000):
        hold = ledger.admit(Amount(1, 0, 0.1))
        assert hold is not None
        ledger.end(hold)
        ledger.release(hold)
    assert ledger.left == Caps(usd=1.0)
