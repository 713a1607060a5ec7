"""Threads: enough of them, reused, with the caller's context."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import Any

import pytest

from treadle.compiler.runtime.background import wait
from treadle.compiler.runtime.pools import BLOCKING_THREADS, Threads, in_blocking_thread, run_in_thread

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


def test_two_hundred_and_fifty_six_rows_meet_at_a_barrier() -> None:
    barrier = threading.Barrier(256, timeout=60)

    async def main() -> list[int]:
        return await asyncio.gather(*(run_in_thread(barrier.wait) for _ in range(256)))

    assert sorted(asyncio.run(main())) == list(range(256))


def test_blocking_calls_are_bounded_and_all_are_served() -> None:
    most = 0
    running = 0
    lock = threading.Lock()
    full = threading.Event()

    def work() -> None:
        nonlocal most, running
        with lock:
            running += 1
            most = max(most, running)
            if running == BLOCKING_THREADS:
                full.set()
        full.wait(60)
        with lock:
            running -= 1

    async def main() -> None:
        await asyncio.gather(*(in_blocking_thread(work) for _ in range(3 * BLOCKING_THREADS)))

    asyncio.run(main())
    assert most == BLOCKING_THREADS


def test_an_idle_thread_is_used_again() -> None:
    threads = Threads(None, "test-row")
    names: list[str] = []
    done = threading.Semaphore(0)

    def work() -> None:
        names.append(threading.current_thread().name)
        done.release()

    def idle() -> bool:
        return threads._idle == 1

    for _ in range(3):
        threads.submit(work)
        done.acquire()
        while not idle():  # the thread says it is free just after its work has ended
            threading.Event().wait(0.001)
    assert names == ["test-row-1"] * 3


def test_what_was_done_while_a_loop_was_busy_is_told_to_it_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Semaphore(0)
    told = 0

    async def main() -> None:
        loop = asyncio.get_running_loop()
        tell = loop.call_soon_threadsafe

        def counted(*args: Any, **named: Any) -> asyncio.Handle:
            nonlocal told
            told += 1
            return tell(*args, **named)

        monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
        rows = [asyncio.create_task(run_in_thread(done.release)) for _ in range(100)]
        await asyncio.sleep(0)  # they begin
        await asyncio.sleep(0)  # and are handed out
        for _ in rows:
            assert done.acquire(timeout=60)  # the loop stands still until all is done
        await asyncio.gather(*rows)

    asyncio.run(main())
    assert 1 <= told <= 2  # the last thread may be on its way to say so


def test_the_function_sees_the_callers_context_and_raises_as_it_does() -> None:
    async def main() -> str:
        VARIABLE.set("set")
        with pytest.raises(ZeroDivisionError):
            await run_in_thread(lambda: 1 // 0)
        return await run_in_thread(VARIABLE.get)

    assert asyncio.run(main()) == "set"


def test_waiting_in_a_rows_thread_uses_the_loop_the_row_came_from() -> None:
    async def main() -> bool:
        loop = asyncio.get_running_loop()

        async def here() -> bool:
            return asyncio.get_running_loop() is loop

        return await run_in_thread(lambda: wait(here()))

    assert asyncio.run(main())


def test_cancelling_a_row_cancels_what_it_waits_for_and_refuses_what_comes() -> None:
    ended: list[str] = []
    left = threading.Event()

    async def main() -> int:
        started = asyncio.Event()

        async def hang() -> None:
            started.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.append("hang")

        def row() -> None:
            try:
                wait(hang())
            except asyncio.CancelledError:
                ended.append("row")
            try:
                wait(hang())
            except asyncio.CancelledError:
                ended.append("again")
            left.set()

        task = asyncio.create_task(run_in_thread(row))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(left.wait, 60)
        return len(asyncio.all_tasks())

    assert asyncio.run(main()) == 1
    assert sorted(ended) == ["again", "hang", "row"]
