"""Synchronous code and event loops: scripts, threads, running loops, Ctrl-C."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import subprocess
import sys
import threading

import pytest

from treadle.compiler.runtime.background import wait

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


async def loop_thread() -> str:
    await asyncio.sleep(0)
    return threading.current_thread().name


def test_a_script_waits_for_the_background_loop() -> None:
    assert wait(loop_thread()) == "treadle-loop-0"


def test_a_thread_and_a_running_loop_wait_for_it_too() -> None:
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(wait(loop_thread())))
    thread.start()
    thread.join()

    async def notebook() -> str:
        return wait(loop_thread())

    assert [*found, asyncio.run(notebook())] == ["treadle-loop-0"] * 2


def test_code_on_the_background_loop_gets_the_loop_behind_it() -> None:
    async def nested(depth: int) -> list[str]:
        here = threading.current_thread().name
        return [here] if depth == 0 else [here, *wait(nested(depth - 1))]

    assert wait(nested(3)) == [f"treadle-loop-{depth}" for depth in range(4)]


def test_the_coroutine_sees_the_callers_context() -> None:
    async def look() -> str:
        return VARIABLE.get()

    token = VARIABLE.set("set")
    try:
        assert wait(look()) == "set"
    finally:
        VARIABLE.reset(token)


def test_errors_come_out_as_they_are() -> None:
    async def fail(error: BaseException) -> None:
        raise error

    plain, caused = ValueError("x"), RuntimeError("y")
    for error in (plain, caused, SystemExit(3), KeyboardInterrupt()):
        with pytest.raises(type(error)) as caught:
            wait(fail(error))
        assert caught.value is error
    with pytest.raises(StopIteration) as stopped:
        wait(fail(StopIteration("value")))
    assert stopped.value.value == "value"
    with pytest.raises(asyncio.CancelledError):
        wait(fail(asyncio.CancelledError()))
    assert wait(loop_thread()) == "treadle-loop-0"


def test_ctrl_c_cancels_the_coroutine_and_waits_for_its_end() -> None:
    ended: list[str] = []

    async def hang() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            ended.append("cancelled")
            raise

    with pytest.raises(KeyboardInterrupt):
        wait(hang())
    assert ended == ["cancelled"]


SCRIPT = """
import asyncio, warnings
warnings.simplefilter("error")
from treadle.compiler.runtime.background import wait

async def leave_behind():
    global task
    task = asyncio.get_running_loop().create_task(asyncio.Event().wait())

wait(leave_behind())
print("done")
"""


def test_a_process_ends_quietly_though_tasks_are_left() -> None:
    ran = subprocess.run([sys.executable, "-X", "dev", "-c", SCRIPT], capture_output=True, text=True, timeout=60)
    assert (ran.stdout, ran.stderr, ran.returncode) == ("done\n", "", 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_a_forked_child_has_a_loop_of_its_own() -> None:
    wait(loop_thread())
    child = os.fork()
    if child == 0:
        os._exit(0 if wait(loop_thread()) == "treadle-loop-0" else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
