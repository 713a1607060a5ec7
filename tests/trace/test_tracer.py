"""Traces: what they hold, their order, what depends on what, and that runs do not mix."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from typing import Any

import pytest

from tests.runtime.sketch import Sketch, echo, field, run, table
from treadle.compiler.graph.nodes import Graph, Ref
from treadle.compiler.graph.op import Op
from treadle.compiler.lm.protocol import Request, Usage
from treadle.compiler.lm.scripted import Scripted
from treadle.compiler.runtime.background import wait
from treadle.compiler.runtime.interpreter import run_graph
from treadle.compiler.runtime.session import Session
from treadle.compiler.trace.trace import Span, Trace
from treadle.compiler.trace.tracer import Tracer, trace

ASK = {"ask": "text -> reply", "join": "texts: list -> reply"}


def traced(graph: Graph, ops: Any = None, lm: Any = None, **inputs: Any) -> Trace:
    with trace() as t:
        run(graph, ops, lm or echo(), **inputs)
    (found,) = t.traces
    return found


def shape(found: Trace) -> list[tuple[int | None, str, str, tuple[int, ...]]]:
    return [(span.parent, span.kind, span.name, span.indices) for span in found.spans]


def timeless(found: Trace) -> list[Span]:
    return [dataclasses.replace(span, started=0.0, seconds=0.0) for span in found.spans]


def everything() -> Graph:
    """A map of a step and an op, then a branch, then a loop that stops, then replicas."""
    s = Sketch("xs", predictors=ASK)
    mapped = s.map(s["xs"], lambda x: s.op("shout", s.step("ask", text=x)))
    chosen = s.branch(
        s.expr(["call", "len", [["arg", 0]], {}], mapped),
        lambda: s.step("ask", text=s.expr(["item", ["arg", 0], ["const", 0]], mapped)),
        lambda: s.const("none"),
    )

    def turn(number: Ref, text: Ref) -> tuple[Ref, Ref]:
        longer = s.step("ask", text=text)
        return longer, s.expr(["compare", ["call", "len", [["arg", 0]], {}], ">", ["const", 12]], longer)

    last = s.loop(None, [chosen], turn, stops=True, bound=9)
    return s.done(s.replicate(2, lambda: s.step("ask", text=last)))


OPS = {"shout": Op(name="shout", function=str.upper)}


def test_spans_stand_in_program_order_under_what_they_ran_in() -> None:
    found = traced(everything(), OPS, xs=["a", "b"])
    assert shape(found) == [
        (None, "program", "program", ()),
        (0, "region", "map", ()),
        (1, "step", "ask", (0,)),
        (2, "lm", "", (0,)),
        (1, "op", "shout", (0,)),
        (1, "step", "ask", (1,)),
        (5, "lm", "", (1,)),
        (1, "op", "shout", (1,)),
        (0, "region", "branch", ()),
        (8, "step", "ask#2", ()),
        (9, "lm", "", ()),
        (0, "region", "loop", ()),
        (11, "step", "ask#3", (0,)),
        (12, "lm", "", (0,)),
        (11, "step", "ask#3", (1,)),
        (14, "lm", "", (1,)),
        (0, "region", "replicate", ()),
        (16, "step", "ask#4", (0,)),
        (17, "lm", "", (0,)),
        (16, "step", "ask#4", (1,)),
        (19, "lm", "", (1,)),
    ]
    assert [span.id for span in found.spans] == list(range(len(found.spans)))
    assert [span.taken for span in found.spans if span.kind == "region"] == [2, "then", 2, 2]


def test_spans_hold_values_by_name() -> None:
    found = traced(everything(), OPS, xs=["a", "b"])
    program, step, call, shout = found.spans[0], found.spans[2], found.spans[3], found.spans[4]
    assert program.inputs == {"xs": ["a", "b"]}
    assert program.output == [found.spans[17].output, found.spans[19].output]
    assert (step.inputs, step.output, step.predictor) == ({"text": "a"}, "re:a", "ask")
    assert step.parameters == ("ask.instruction", "ask.demos")
    assert (call.reply, call.model, call.predictor) == ("re:a", "scripted", "ask")
    assert [message.role for message in call.messages] == ["system", "user"]
    assert shout.output == "RE:A"
    assert found.of("ask")[0] is step


def test_sources_and_controls_say_what_depends_on_what() -> None:
    spans = traced(everything(), OPS, xs=["a", "b"]).spans
    assert spans[2].sources == ()
    assert spans[4].sources == (2,)
    assert spans[7].sources == (5,)
    assert spans[8].sources == (1, 4, 7)  # the branch looks at the whole list
    assert spans[9].sources == (1, 4, 7)
    assert spans[9].controls == (8,)
    assert spans[12].sources == (8, 9)
    assert spans[12].controls == (11,)
    assert spans[14].sources == (12,)
    assert spans[14].controls == (11, 12)  # the flag of turn 0 let turn 1 be taken
    assert spans[17].sources == (11, 14)
    assert spans[0].sources == (16, 17, 19)


def test_a_map_over_a_maps_result_depends_element_by_element() -> None:
    s = Sketch("xs", predictors=ASK)
    first = s.map(s["xs"], lambda x: s.step("ask", text=x))
    spans = traced(s.done(s.map(first, lambda x: s.step("ask", text=x))), xs=["a", "b"]).spans
    steps = [span for span in spans if span.kind == "step"]
    assert [step.sources for step in steps] == [(), (), (steps[0].id,), (steps[1].id,)]


def test_the_same_run_gives_the_same_trace_whatever_overlaps() -> None:
    def answer(salt: int) -> Scripted:
        async def scrambled(request: Request) -> str:
            for _ in range((request.seed * salt) % 11):
                await asyncio.sleep(0)
            return "re:" + field(request, "text")

        return Scripted(scrambled)

    xs = [str(number) for number in range(20)]
    first, *others = [timeless(traced(everything(), OPS, lm=answer(salt), xs=xs)) for salt in range(5)]
    assert all(other == first for other in others)


def test_inputs_are_copied_when_the_call_starts() -> None:
    def grow(xs: list[int]) -> int:
        xs.append(len(xs))
        return len(xs)

    s = Sketch("xs")
    s.op("grow", s["xs"])
    spans = traced(s.done(s.op("grow", s["xs"])), table(grow), xs=[7]).spans
    assert [span.inputs["xs"] for span in spans] == [[7], [7], [7, 1]]


def test_failures_and_what_was_cancelled_are_recorded() -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise ZeroDivisionError("no")

    async def hang() -> None:
        await asyncio.Event().wait()

    s = Sketch()
    s.op("fail")
    s.op("hang")
    graph = s.done(s.const(1))
    with trace() as t, pytest.raises(ZeroDivisionError):
        run(graph, table(fail, hang))
    assert [(span.name, span.error) for span in t.traces[0].spans] == [
        ("program", "ZeroDivisionError: no"),
        ("fail", "ZeroDivisionError: no"),
        ("hang", "CancelledError: "),
    ]


def test_nothing_is_kept_outside() -> None:
    graph = everything()
    with trace() as t:
        pass
    run(graph, OPS, xs=["a"])
    assert t.traces == ()


def test_traces_stand_in_the_order_in_which_runs_started_and_nested_blocks_share_them() -> None:
    s = Sketch("text", predictors=ASK)
    graph = s.done(s.step("ask", text=s["text"]))

    async def main() -> None:
        session = Session(lm=echo())
        await asyncio.gather(*(run_graph(graph, {}, {"text": str(n)}, session) for n in range(9)))

    with trace() as outer:
        with trace() as inner:
            wait(main())
        run(graph, text="last")
    assert [found.spans[0].inputs["text"] for found in outer.traces] == [*(str(n) for n in range(9)), "last"]
    assert inner.traces == outer.traces[:-1]


def test_thirty_two_threads_and_two_hundred_and_fifty_six_runs_do_not_mix() -> None:
    graph = everything()
    tracers = [Tracer() for _ in range(256)]
    usage = Usage(3, 2)

    async def answer(request: Request) -> str:
        for _ in range(request.seed % 3):
            await asyncio.sleep(0)
        return "re:" + field(request, "text")

    lm = Scripted(answer, usage=lambda request, text: usage, price=(1_000_000.0, 500_000.0))

    def work(thread: int) -> None:
        async def runs() -> None:
            mine = range(thread * 8, thread * 8 + 8)
            await asyncio.gather(
                *(run_graph(graph, OPS, {"xs": [f"<{n}>", f"<{n}>x"]}, Session(lm=lm, tracer=tracers[n])) for n in mine)
            )

        wait(runs()) if thread % 2 else asyncio.run(runs())

    threads = [threading.Thread(target=work, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, tracer in enumerate(tracers):
        (found,) = tracer.traces
        steps = [span for span in found.spans if span.kind == "step"]
        assert len(steps) == len(list(found.calls()))
        assert all(f"<{number}>" in str(span.inputs).lower() for span in steps)
        assert found.usage == Usage(3 * len(steps), 2 * len(steps))
        assert found.cost == 4.0 * len(steps)
    assert len({len(tracer.traces[0].spans) for tracer in tracers}) <= 3


def test_a_long_chain_is_recorded_without_recursion() -> None:
    s = Sketch("n")
    value = s["n"]
    for _ in range(3_000):
        value = s.op("add", value)

    def add(n: int) -> int:
        return n + 1

    found = traced(s.done(value), table(add), n=0)
    assert len(found.spans) == 3_001
    assert found.spans[-1].sources == (2_999,)


def test_an_accumulator_joins_what_it_was_made_from_without_copying() -> None:
    s = Sketch("xs", predictors=ASK)

    def turn(x: Ref, seen: Ref) -> Ref:
        return s.expr(["binary", "+", ["arg", 0], ["list", ["arg", 1]]], seen, s.step("ask", text=x))

    graph = s.done(s.step("join", texts=s.loop(s["xs"], [s.const([])], turn)))
    found = traced(graph, lm=Scripted(lambda request: "x"), xs=["a"] * 300)
    steps = found.of("ask")
    assert [set(step.sources) for step in steps] == [set()] * 300
    assert set(found.of("join")[0].sources) == {found.spans[1].id, *(step.id for step in steps)}
