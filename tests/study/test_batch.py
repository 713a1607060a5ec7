"""Waves and barriers, by themselves; what they mean for a study is in test_study.py."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.study.world import IMPATIENT, Provider
from treadle.compiler.errors import BudgetExhausted, StudyError
from treadle.compiler.lm.protocol import Message
from treadle.compiler.study.attempts import Attempts
from treadle.compiler.study.batch import Batch, Job, Queue
from treadle.compiler.study.budget import Budget
from treadle.compiler.study.caller import Scope, StudyCaller
from treadle.compiler.study.events import Events
from treadle.compiler.study.journal import Journal
from treadle.compiler.study.lanes import Lanes
from treadle.compiler.study.ledger import LogicalLedger
from treadle.compiler.study.store import Store


class Shop:
    """What batches need."""

    def __init__(self, budget: Budget, *, scramble: int | None = None, concurrency: int = 8) -> None:
        self.provider = Provider(scramble=scramble)
        self.lm = self.provider.lm()
        events, store = Events(), Store(None)
        self.ledger = LogicalLedger(budget.search)
        attempts = Attempts(store, budget, self.ledger, run=1, events=events)
        self.caller = StudyCaller(store, attempts, concurrency=concurrency, events=events, policy=IMPATIENT)
        self.queue = Queue(self.caller, Journal(store, 1))
        self.lanes = Lanes(2 * concurrency)
        self._numbers = itertools.count()

    def job(self, name: str, calls: int, bound: int | None = 0) -> Job[str]:
        async def run(scope: Scope) -> str:
            for number in range(calls):
                await scope(self.lm, self.lm.request([Message("user", name)], sample=str(number)))
            return name

        return Job(run=run, role="task", calls=calls if bound == 0 else bound)

    def batch(self, *jobs: Job[str], stop: Any = None) -> Batch[str]:
        return Batch(
            jobs,
            caller=self.caller,
            ledger=self.ledger,
            lanes=self.lanes,
            number=next(self._numbers),
            stop=stop,
        )


def run(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    return asyncio.run(main())


def test_a_wave_is_the_longest_prefix_that_fits() -> None:
    async def main() -> None:
        shop = Shop(Budget(calls=10))
        batch = shop.batch(shop.job("a", 1, 4), shop.job("b", 1, 4), shop.job("c", 1, 2), shop.job("d", 1, 1))
        assert batch.launch()
        await batch.barrier()
        assert shop.ledger.settled.calls == 2
        assert batch.results == ["a", "b"]  # d would fit, but c comes first
        batch.launch()
        await batch.barrier()
        assert batch.results == ["a", "b", "c", "d"]

    run(main)


def test_results_behind_a_job_that_was_cut_do_not_count_but_are_paid() -> None:
    async def main() -> None:
        shop = Shop(Budget(calls=5))
        jobs = [shop.job("a", 1, None), shop.job("b", 9, None), shop.job("c", 1, None)]
        batch = shop.batch(*jobs)
        shop.queue.start(batch, lambda: None)
        await shop.queue.finish(batch)
        assert batch.results == ["a"]
        assert isinstance(batch.error, BudgetExhausted)
        assert shop.ledger.settled.calls == shop.provider.calls == 4
        assert shop.queue.timing_dependent

    run(main)


def test_a_cut_that_was_decided_before_is_obeyed() -> None:
    async def main() -> None:
        shop = Shop(Budget(calls=100))
        charges = [["k", "task", 2, 3, 0.0]]
        stop = {"why": "budget", "done": 1, "text": "was cut", "timing_dependent": True, "charges": charges}
        batch = shop.batch(shop.job("a", 1), shop.job("b", 1), stop=stop)
        shop.queue.start(batch, lambda: None)
        await shop.queue.finish(batch)
        assert batch.results == ["a"]
        assert str(batch.error) == "was cut"
        assert shop.provider.calls == 1
        assert shop.ledger.settled.calls == 3

    run(main)


def test_an_error_of_a_job_stops_the_study() -> None:
    async def main() -> None:
        shop = Shop(Budget())

        async def broken(scope: Scope) -> str:
            raise ZeroDivisionError("a mistake of ours")

        batch = shop.batch(shop.job("a", 1), Job(run=broken, role="task", calls=1), shop.job("c", 1))
        shop.queue.start(batch, lambda: None)
        with pytest.raises(ZeroDivisionError):
            await shop.queue.finish(batch)
        with pytest.raises(StudyError, match="has stopped"):
            shop.caller.check()

    run(main)


def test_a_batch_settled_at_once_leaves_earlier_ones_under_way() -> None:
    async def main() -> None:
        shop = Shop(Budget(calls=100))
        first, now = shop.batch(shop.job("a", 1)), shop.batch(shop.job("b", 1))
        shop.queue.start(first, lambda: None)
        await shop.queue.at_once(now)
        assert (first.settled, now.settled) == (False, True)
        assert shop.ledger.settled.calls == 1
        await shop.queue.finish(first)
        assert shop.ledger.settled.calls == 2

    run(main)


sizes = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 3)), min_size=1, max_size=12)


@given(sizes, sizes, st.integers(1, 60), st.integers(0, 5))
def test_what_is_run_does_not_depend_on_timing_and_fits_the_cap(
    one: list[tuple[int, int]], other: list[tuple[int, int]], cap: int, scramble: int
) -> None:
    def search(scramble: int | None, concurrency: int) -> tuple[Any, ...]:
        async def main() -> tuple[Any, ...]:
            shop = Shop(Budget(calls=cap), scramble=scramble, concurrency=concurrency)
            batches = [
                shop.batch(*[shop.job(f"{name}{i}", calls, calls + slack) for i, (calls, slack) in enumerate(jobs)])
                for name, jobs in (("x", one), ("y", other))
            ]
            for batch in batches:
                shop.queue.start(batch, lambda: None)
            for batch in batches:
                await shop.queue.finish(batch)
            assert shop.provider.calls == shop.ledger.settled.calls <= max(1, cap * 9 // 10)
            return [batch.results for batch in batches], [str(batch.error) for batch in batches], shop.ledger.settled

        return asyncio.run(main())

    assert search(None, 64) == search(scramble, 2)
