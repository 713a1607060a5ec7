from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading

from treadle.compiler.lm.per_loop import PerLoop


class Thing:
    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.closed = False

    async def close(self) -> None:
        await asyncio.sleep(0)
        assert asyncio.get_running_loop() is self.loop
        self.closed = True


async def twice(things: PerLoop[Thing]) -> Thing:
    assert things.get() is things.get()
    return things.get()


def test_each_loop_has_its_own_and_closes_it() -> None:
    things = PerLoop(Thing, Thing.close)
    first, second = asyncio.run(twice(things)), asyncio.run(twice(things))
    assert first is not second
    assert first.closed
    assert second.closed


def test_threads_do_not_share() -> None:
    things = PerLoop(Thing, Thing.close)
    found: list[Thing] = []
    barrier = threading.Barrier(8)

    async def meet() -> Thing:
        thing = things.get()
        barrier.wait(timeout=60)
        return thing

    threads = [threading.Thread(target=lambda: found.append(asyncio.run(meet()))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(thing) for thing in found}) == 8
    assert all(thing.closed for thing in found)


def test_what_needs_no_closing_goes_with_its_loop() -> None:
    things: PerLoop[object] = PerLoop(object)

    async def get() -> int:
        things.get()
        return len(things._things)

    for _ in range(5):
        assert asyncio.run(get()) == 1
        gc.collect()


def test_a_loop_that_ended_without_a_word_is_forgotten() -> None:
    things = PerLoop(Thing, Thing.close)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(twice(things))
    loop.close()
    assert asyncio.run(twice(things)).closed
    assert not things._things
    assert not things._holders


def test_the_end_of_the_process_closes_what_a_daemon_thread_holds() -> None:
    code = """
import asyncio, threading
from treadle.compiler.lm.per_loop import PerLoop

class Thing:
    async def close(self):
        print("closed", flush=True)

things = PerLoop(Thing, Thing.close)
loop = asyncio.new_event_loop()
threading.Thread(target=loop.run_forever, daemon=True).start()

async def get():
    things.get()

asyncio.run_coroutine_threadsafe(get(), loop).result()
"""
    ended = subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, capture_output=True, text=True)
    assert (ended.stdout, ended.stderr) == ("closed\n", "")
