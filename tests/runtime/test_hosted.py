"""Host mode: threads, nesting, tracing, cancellation."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from tests.runtime.sketch import ECHO, Sketch, predictor
from treadle.compiler.errors import ConfigurationError, InputError
from treadle.compiler.graph.op import Op
from treadle.compiler.lm.protocol import Request
from treadle.compiler.lm.scripted import Scripted
from treadle.compiler.runtime.background import wait
from treadle.compiler.runtime.hosted import call_function, call_op, run_function
from treadle.compiler.runtime.interpreter import run_graph, run_step
from treadle.compiler.runtime.session import Session
from treadle.compiler.trace.tracer import Tracer, trace

ASK = predictor("ask", "text -> reply")


def ask(text: str) -> Any:
    return wait(run_step("ask", ASK, {"text": text}, Session()))


def test_a_program_runs_in_the_callers_thread_and_its_steps_on_a_loop() -> None:
    def program(text: str) -> tuple[str, str]:
        return ask(ask(text)), threading.current_thread().name

    value = call_function("program", program, {"text": "a"}, Session(lm=ECHO))
    assert value == ("re:re:a", threading.current_thread().name)


def test_two_hundred_and_fifty_six_programs_meet_at_a_barrier_between_their_steps() -> None:
    barrier = threading.Barrier(256, timeout=60)

    def program(text: str) -> Any:
        first = ask(text)
        barrier.wait()
        return ask(first)

    async def main() -> list[Any]:
        session = Session(lm=ECHO)
        runs = (run_function("program", program, {"text": str(number)}, session) for number in range(256))
        return await asyncio.gather(*runs)

    assert asyncio.run(main()) == [f"re:re:{number}" for number in range(256)]


def test_programs_nested_eight_deep_stay_in_their_thread() -> None:
    threads: set[int] = set()

    def program(depth: int, text: str) -> Any:
        threads.add(threading.get_ident())
        if depth == 0:
            return ask(text)
        return ask(call_function("program", program, {"depth": depth - 1, "text": text}, Session()))

    async def main() -> Any:
        return await run_function("program", program, {"depth": 8, "text": "x"}, Session(lm=ECHO))

    assert asyncio.run(main()) == "re:" * 9 + "x"
    assert len(threads) == 1


def test_graphs_nested_eight_deep_through_plain_ops_finish() -> None:
    def nested(depth: int) -> Any:
        if depth == 0:
            return ask("x")
        s = Sketch("depth")
        graph = s.done(s.op("nested", s["depth"]))
        ops = {"nested": Op(name="nested", function=nested)}
        return wait(run_graph(graph, ops, {"depth": depth - 1}, Session()))

    assert call_function("program", nested, {"depth": 8}, Session(lm=ECHO)) == "re:x"


def test_an_async_program_awaits_its_steps() -> None:
    async def program(text: str) -> list[Any]:
        return await asyncio.gather(*(run_step("ask", ASK, {"text": text + end}, Session()) for end in "ab"))

    assert wait(run_function("program", program, {"text": "x"}, Session(lm=ECHO))) == ["re:xa", "re:xb"]


def test_steps_ops_and_programs_are_recorded_under_the_program_that_calls_them() -> None:
    shout = Op(name="shout", function=str.upper)

    async def later(text: str) -> str:
        return text

    def inner(text: str) -> Any:
        return ask(text)

    def program(text: str) -> Any:
        wait(call_op(Op(name="later", function=later), (text,), {}))
        return call_function("inner", inner, {"text": call_op(shout, (text,), {})}, Session())

    with trace() as t:
        value = call_function("program", program, {"text": "a"}, Session(lm=ECHO))
    assert value == "re:A"
    (found,) = t.traces
    assert [(span.parent, span.kind, span.name) for span in found.spans] == [
        (None, "program", "program"),
        (0, "op", "later"),
        (0, "op", "shout"),
        (0, "program", "inner"),
        (3, "step", "ask"),
        (4, "lm", ""),
    ]
    assert found.spans[1].inputs == {"text": "a"}
    assert found.spans[4].inputs == {"text": "A"}


def test_a_tracer_opened_inside_gets_its_part_and_the_outer_one_all() -> None:
    inside = Tracer()

    def inner(text: str) -> Any:
        return ask(text)

    def program(text: str) -> Any:
        with trace() as t:
            call_function("inner", inner, {"text": text}, Session(tracer=inside))
        return t.traces

    outer = Tracer()
    (part,) = call_function("program", program, {"text": "a"}, Session(lm=ECHO, tracer=outer))
    assert [span.name for span in part.spans] == ["inner", "ask", ""]
    assert inside.traces == (part,)
    assert [span.name for span in outer.traces[0].spans] == ["program", "inner", "ask", ""]


def test_a_step_by_itself_is_a_run() -> None:
    with trace() as t:
        assert wait(run_step("ask", ASK, {"text": "a"}, Session(lm=ECHO))) == "re:a"
    assert [(span.kind, span.name) for span in t.traces[0].spans] == [("program", "ask"), ("step", "ask"), ("lm", "")]
    assert t.traces[0].spans[0].sources == (1,)


def test_a_step_brings_its_own_lm_and_context() -> None:
    seen: list[str] = []

    def answer(request: Request) -> str:
        seen.append(request.messages[-1].content)
        return "own"

    own = Session(bound={"ask": Scripted(answer)})

    async def program() -> Any:
        return await run_step("ask", ASK, {"text": "a"}, own, context=[("triage", "billing"), ("other", None)])

    assert wait(run_function("program", program, {}, Session(lm=ECHO))) == "own"
    assert "Context from triage" in seen[0]
    assert "other" not in seen[0]


def test_errors_say_which_step_and_line_and_fail_the_trace() -> None:
    def program() -> Any:
        return wait(run_step("ask", ASK, {"text": "x"}, Session(), site="ask#2", line=7))

    with trace() as t, pytest.raises(ConfigurationError, match="no LM for step 'ask'") as caught:
        call_function("program", program, {}, Session())
    assert caught.value.__notes__ == ["in step 'ask#2', line 7"]
    assert [span.error.partition(":")[0] for span in t.traces[0].spans] == ["ConfigurationError"] * 2
    assert t.traces[0].spans[1].name == "ask#2"
    with pytest.raises(InputError, match="needs the input 'text'"):
        wait(run_step("ask", ASK, {}, Session()))


def test_a_cancelled_program_ends_at_the_step_it_waits_for() -> None:
    ended = threading.Event()

    async def main() -> None:
        reached = asyncio.Event()

        async def hang(_: Request) -> str:
            reached.set()
            await asyncio.Event().wait()
            return ""

        def program() -> None:
            try:
                ask("x")
            finally:
                ended.set()

        task = asyncio.create_task(run_function("program", program, {}, Session(lm=Scripted(hang))))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(ended.wait, 60)

    asyncio.run(main())
    assert ended.is_set()
