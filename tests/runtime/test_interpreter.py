"""Running graphs: values, overlap, failures, effects, samples."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

import treadle.modules  # noqa: F401  registers the modules that candidates name
from tests.runtime.sketch import Sketch, echo, field, run, table
from treadle.compiler.canonical import JSON
from treadle.compiler.errors import ConfigurationError, GraphError, InputError
from treadle.compiler.graph.build import GraphBuilder, Value
from treadle.compiler.graph.nodes import Graph, Predictor, Ref
from treadle.compiler.graph.op import Op
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.hints import from_string
from treadle.compiler.lm.protocol import Request
from treadle.compiler.lm.scripted import Scripted
from treadle.compiler.runtime.background import wait
from treadle.compiler.runtime.hosted import call_function, call_op, run_function
from treadle.compiler.runtime.interpreter import run_graph, run_step
from treadle.compiler.runtime.session import Session
from treadle.compiler.signature import Signature, Slot

ASK = {"ask": "text -> reply"}


def chain(length: int) -> Graph:
    s = Sketch("text", predictors=ASK)
    value = s["text"]
    for _ in range(length):
        value = s.step("ask", text=value)
    return s.done(value)


class Meeting:
    """An LM whose replies wait until ``count`` requests are in flight at once."""

    def __init__(self, count: int) -> None:
        self.requests: list[Request] = []
        self.waiting = 0
        self._count = count
        self._met: asyncio.Event | None = None
        self.lm = Scripted(self._answer)

    async def _answer(self, request: Request) -> str:
        self._met = self._met or asyncio.Event()
        self.requests.append(request)
        self.waiting += 1
        if self.waiting == self._count:
            self._met.set()
        await asyncio.wait_for(self._met.wait(), 30)
        return field(request, "text") + "!"


# --- values ----------------------------------------------------------------------------------------------------------


def test_a_chain_of_steps_hands_values_on() -> None:
    assert run(chain(3), text="a") == "re:re:re:a"


def test_a_long_chain_needs_no_recursion() -> None:
    s = Sketch("x")
    value = s["x"]
    for _ in range(5_000):
        value = s.expr(["binary", "+", ["arg", 0], ["const", 1]], value)
    assert run(s.done(value), x=0) == 5_000


def test_a_hundred_nested_branches_fit_the_stack() -> None:
    s = Sketch("x", predictors=ASK)

    def nest(depth: int) -> Ref:
        if depth == 0:
            return s.step("ask", text=s["x"])
        return s.branch(s.const(True), lambda: nest(depth - 1), lambda: s.const(None))

    assert run(s.done(nest(100)), x="deep") == "re:deep"


def test_ops_get_arguments_by_place_and_by_name() -> None:
    def join(first: str, *, last: str) -> str:
        return first + last

    s = Sketch("a", "b")
    assert run(s.done(s.op("join", s["a"], last=s["b"])), table(join), a="x", b="y") == "xy"


def test_async_and_blocking_ops_are_awaited() -> None:
    async def later(x: int) -> int:
        await asyncio.sleep(0)
        return x + 1

    def thread(x: int) -> tuple[int, str]:
        return x + 1, threading.current_thread().name

    s = Sketch("x")
    ops = {**table(later), **table(thread, blocking=True)}
    value, name = run(s.done(s.op("thread", s.op("later", s["x"]))), ops, x=1)
    assert value == 3
    assert name.startswith("treadle-blocking")


def test_an_expression_with_several_results_is_unpacked() -> None:
    s = Sketch("pair")
    node = s.expr(["unpack", ["_", "_"], ["arg", 0]], s["pair"], results=2)
    stem = node.removesuffix(".0")
    joined = s.expr(["binary", "+", ["arg", 1], ["arg", 0]], Ref(f"{stem}.0"), Ref(f"{stem}.1"))
    assert run(s.done(joined), pair=("a", "b")) == "ba"


def test_map_branch_loop_and_replicate_give_what_they_should() -> None:
    s = Sketch("xs", predictors=ASK)
    mapped = s.map(s["xs"], lambda x: s.step("ask", text=x))
    chosen = s.branch(s.expr(["call", "len", [["arg", 0]], {}], mapped), lambda: mapped, lambda: s.const("none"))

    def turn(element: Ref, total: Ref) -> Ref:
        return s.expr(["binary", "+", ["arg", 0], ["arg", 1]], total, element)

    folded = s.loop(chosen, [s.const("")], turn)
    again = s.replicate(2, lambda: s.step("ask", text=folded))
    assert run(s.done(again), xs=["a", "b"]) == ["re:re:are:b"] * 2


def test_a_loop_stops_by_its_flag_and_counts_its_turns_without_a_list() -> None:
    s = Sketch()

    def turn(number: Ref, total: Ref) -> tuple[Ref, Ref]:
        added = s.expr(["binary", "+", ["arg", 0], ["arg", 1]], number, total)
        return added, s.expr(["compare", ["arg", 0], ">", ["const", 5]], added)

    assert run(s.done(s.loop(None, [s.const(0)], turn, stops=True, bound=100))) == 6


def test_a_branch_does_not_run_the_other_arm() -> None:
    s = Sketch("x", predictors=ASK)
    value = s.branch(s["x"], lambda: s.const("yes"), lambda: s.step("ask", text=s["x"]))
    assert run(s.done(value), lm=Scripted([]), x=True) == "yes"


def test_a_constant_that_can_change_is_each_runs_own() -> None:
    def append(xs: list[int]) -> list[int]:
        xs.append(1)  # an op must not, but its graph stays whole if it does
        return xs

    s = Sketch()
    graph = s.done(s.op("append", s.const([])))
    assert [run(graph, table(append)) for _ in range(2)] == [[1], [1]]


def test_step_inputs_are_checked_as_a_call_would() -> None:
    s = Sketch("n", predictors={"ask": "text: str -> reply"})
    with pytest.raises(InputError, match="input 'text' takes str, got 3"):
        run(s.done(s.step("ask", text=s["n"])), n=3)


def test_inputs_a_step_leaves_out_have_their_defaults() -> None:
    slots = (Slot(name="text", annotation=str), Slot(name="tone", annotation=str, default="dry"))
    signature = Signature(name="ask", inputs=slots, outputs=from_string("a -> b").outputs)
    s = Sketch("t", predictors={"ask": Predictor(signature=signature)})
    assert run(s.done(s.step("ask", text=s["t"])), lm=echo(name="tone"), t="x") == "re:dry"


def test_a_context_edge_is_shown_by_its_source_and_nothing_where_it_is_absent() -> None:
    seen: list[str] = []

    def answer(request: Request) -> str:
        seen.append(request.messages[-1].content)
        return "x"

    for value in ("billing", None):
        s = Sketch("t", predictors={**ASK, "triage": "text -> team"})
        context = s.const(value)
        run(s.done(s.step("ask", text=s["t"], context={"triage": context})), lm=Scripted(answer), t="hello")
    assert "Context from triage" in seen[0]
    assert "billing" in seen[0]
    assert "Context from" not in seen[1]


def test_a_missing_input_or_op_is_named() -> None:
    with pytest.raises(InputError, match="needs the input 'text'"):
        run(chain(1))
    s = Sketch("x")
    with pytest.raises(ConfigurationError, match="calls the op 'gone'"):
        run(s.done(s.op("gone", s["x"])), x=1)


# --- overlap ---------------------------------------------------------------------------------------------------------


def test_independent_steps_overlap() -> None:
    s = Sketch("text", predictors=ASK)
    parts = [s.step("ask", text=s["text"]) for _ in range(4)]
    meeting = Meeting(4)
    graph = s.done(s.expr(["list", *(["arg", index] for index in range(4))], *parts))
    assert run(graph, lm=meeting.lm, text="a") == ["a!"] * 4


def test_turns_of_maps_and_replicas_overlap_with_each_other_and_with_the_rest() -> None:
    s = Sketch("xs", predictors=ASK)
    mapped = s.map(s["xs"], lambda x: s.step("ask", text=x))
    samples = s.replicate(3, lambda: s.step("ask", text=s.const("r")))
    alone = s.step("ask", text=s.const("alone"))
    graph = s.done(s.expr(["list", ["arg", 0], ["arg", 1], ["arg", 2]], mapped, samples, alone))
    assert run(graph, lm=Meeting(6).lm, xs=["a", "b"]) == [["a!", "b!"], ["r!"] * 3, "alone!"]


def test_a_map_of_two_thousand_gives_the_values_in_order() -> None:
    s = Sketch("xs", predictors=ASK)
    graph = s.done(s.map(s["xs"], lambda x: s.step("ask", text=x)))
    texts = [str(number) for number in range(2_000)]
    assert run(graph, xs=texts) == [f"re:{text}" for text in texts]


# --- failures --------------------------------------------------------------------------------------------------------


class Boom(Exception):
    pass


def test_the_same_exception_object_comes_out_with_a_note() -> None:
    error = Boom("no")

    def fail(x: int) -> None:
        raise error

    s = Sketch("xs")
    graph = s.done(s.map(s["xs"], lambda x: s.map(x, lambda y: s.op("fail", y, line=12))), "support")
    with pytest.raises(Boom) as caught:
        run(graph, table(fail), xs=[[], [1]])
    assert caught.value is error
    assert caught.value.__notes__ == ["in op 'fail', turn [1][0], line 12 of 'support'"]


def test_a_failing_step_is_named_once_though_it_stands_in_regions() -> None:
    error = ConfigurationError("down")
    s = Sketch("t", predictors=ASK)
    graph = s.done(s.branch(s["t"], lambda: s.step("ask", text=s["t"], line=3), lambda: s["t"]))

    def answer(_: Request) -> str:
        raise error

    with pytest.raises(ConfigurationError) as caught:
        run(graph, lm=Scripted(answer), t="x")
    assert caught.value is error
    assert error.__notes__ == ["in step 'ask', line 3 of 'program'"]


def test_the_failure_that_stands_first_is_raised_though_it_comes_last() -> None:
    finished: list[str] = []

    async def slow(x: str) -> str:
        for _ in range(20):
            await asyncio.sleep(0)
        finished.append(x)
        raise Boom(x)

    async def quick(x: str) -> str:
        await asyncio.sleep(0)
        raise Boom(x)

    s = Sketch("a", "b")
    s.op("slow", s["a"])
    graph = s.done(s.op("quick", s["b"]))
    with pytest.raises(Boom, match="first"):
        run(graph, table(slow, quick), a="first", b="second")
    assert finished == ["first"]


def test_after_a_failure_later_work_is_cancelled_and_not_started_and_earlier_work_ends() -> None:
    events: list[str] = []
    started = {}

    async def part(name: str, turns: int) -> str:
        started[name] = True
        try:
            for _ in range(turns):
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            events.append(f"{name} cancelled")
            raise
        events.append(name)
        if name == "bad":
            raise Boom(name)
        return name

    s = Sketch()
    s.op("part", s.op("part", s.const("early"), s.const(5)), s.const(3))
    s.op("part", s.const("bad"), s.const(2))
    later = s.op("part", s.const("late"), s.const(1_000))
    graph = s.done(s.op("part", later, s.const(0)))
    with pytest.raises(Boom):
        run(graph, table(part))
    assert events == ["bad", "late cancelled", "early", "early"]


def test_a_failure_at_once_keeps_what_stands_behind_from_starting() -> None:
    seen: list[str] = []

    async def wait_for(x: str) -> str:
        seen.append(x)
        await asyncio.sleep(0)
        return x

    def fail() -> None:
        raise Boom

    s = Sketch()
    s.op("wait_for", s.const("before"))
    s.op("fail")
    graph = s.done(s.op("wait_for", s.const("behind")))
    with pytest.raises(Boom):
        run(graph, table(wait_for, fail))
    assert seen == ["before"]


def test_a_failing_item_cancels_later_items_and_the_first_failing_item_wins() -> None:
    calls: list[str] = []

    async def item(x: int) -> int:
        for _ in range(20 - x):
            await asyncio.sleep(0)
        calls.append(str(x))
        if x in (2, 4):
            raise Boom(str(x))
        return x

    s = Sketch("xs")
    graph = s.done(s.map(s["xs"], lambda x: s.op("item", x)))
    with pytest.raises(Boom, match="2"):
        run(graph, table(item), xs=[0, 1, 2, 3, 4, 5, 6])
    assert calls == ["6", "5", "4", "3", "2", "1", "0"]
    calls.clear()
    with pytest.raises(Boom, match="2"):
        run(graph, table(item), xs=[2, 3, 4, 0, 1])
    assert calls == ["4", "3", "2"]


def test_what_iterating_a_maps_list_raises_stands_behind_the_items_before() -> None:
    def items(bad: str) -> Any:
        yield "ok"
        yield bad
        raise Boom("iteration")

    def check(x: str) -> str:
        if x == "bad":
            raise Boom("item")
        return x

    async def check_later(x: str) -> str:
        return check(x)

    for name in ("check", "check_later"):
        s = Sketch("bad")
        graph = s.done(s.map(s.op("items", s["bad"]), lambda x, name=name, s=s: s.op(name, x)))
        ops = table(items, check, check_later)
        with pytest.raises(Boom, match=r"^item"):
            run(graph, ops, bad="bad")
        with pytest.raises(Boom, match=r"^iteration"):
            run(graph, ops, bad="fine")


@pytest.mark.parametrize("kind", ["map", "loop"])
def test_no_more_elements_are_taken_than_a_graph_states(kind: str) -> None:
    calls: list[str] = []

    def note(x: str) -> str:
        calls.append(x)
        return x

    def graph(bound: int) -> Graph:
        g = GraphBuilder("program", from_string("xs: list[str] -> answer"))

        def body(item: Value, *_: Value) -> Value:
            return g.call("note", {"0": item})

        xs = g.inputs["xs"]
        made = g.map(xs, body, bound=bound) if kind == "map" else g.loop([g.const("")], body, items=xs, bound=bound)
        return g.finish(made[0])

    assert run(graph(2), table(note), xs=["a", "b"]) == (["a", "b"] if kind == "map" else "b")
    calls.clear()
    with pytest.raises(GraphError, match=f"a {kind} is stated to have 2 elements at most and gets more") as caught:
        run(graph(2), table(note), xs=["a", "b", "c", "d"])
    assert caught.value.rule == 9
    assert calls == ["a", "b"]


def test_something_that_is_no_list_fails_as_in_python() -> None:
    s = Sketch("x")
    graph = s.done(s.map(s["x"], lambda x: x))
    with pytest.raises(TypeError, match="'int' object is not iterable"):
        run(graph, x=3)


def test_stop_iteration_comes_out_as_itself() -> None:
    def first(xs: list[int]) -> int:
        return next(iter(xs))

    for blocking in (False, True):
        s = Sketch("xs")
        s.op("first", s.const([1]))
        graph = s.done(s.op("first", s["xs"]))
        with pytest.raises(StopIteration):
            run(graph, table(first, blocking=blocking), xs=[])


def test_a_missing_lm_is_an_error_only_where_a_step_runs() -> None:
    s = Sketch("x", predictors=ASK)
    graph = s.done(s.branch(s["x"], lambda: s.const(1), lambda: s.step("ask", text=s.const("t"))))
    assert run(graph, lm=None, x=True) == 1
    with pytest.raises(ConfigurationError, match="no LM for step 'ask'"):
        run(graph, lm=None, x=False)


# --- cancellation ----------------------------------------------------------------------------------------------------


def test_cancelling_a_run_cancels_all_of_it_and_waits_for_its_end() -> None:
    ended: list[str] = []

    async def main() -> set[Any]:
        reached = asyncio.Event()

        async def hang(x: str) -> str:
            if x == "b":
                reached.set()
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                ended.append(x)
            return x

        s = Sketch("xs")
        s.op("hang", s.const("a"))
        graph = s.done(s.map(s["xs"], lambda x: s.op("hang", x)))
        task = asyncio.create_task(run_graph(graph, table(hang), {"xs": ["c", "b"]}, Session()))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert asyncio.run(main()) == set()
    assert sorted(ended) == ["a", "b", "c"]


def test_cancelled_runs_have_no_notes_and_an_op_may_raise_cancelled_itself() -> None:
    async def give_up() -> None:
        raise asyncio.CancelledError

    async def main() -> None:
        s = Sketch()
        s.op("give_up")
        graph = s.done(s.op("give_up"))
        with pytest.raises(asyncio.CancelledError) as caught:
            await run_graph(graph, table(give_up), {}, Session())
        assert not hasattr(caught.value, "__notes__")

    asyncio.run(main())


# --- effects ---------------------------------------------------------------------------------------------------------


def test_effects_wait_for_all_before_them_and_keep_their_order() -> None:
    events: list[str] = []

    async def send(x: str) -> None:
        await asyncio.sleep(0)
        events.append(x)

    async def slow(x: str) -> str:
        for _ in range(10):
            await asyncio.sleep(0)
        events.append(x)
        return x

    def look() -> list[str]:
        return list(events)

    s = Sketch("xs")
    s.op("slow", s.const("one"))
    s.op("send", s.const("two"))
    s.map(s["xs"], lambda x: s.op("send", x))
    s.op("slow", s.const("six"))
    s.op("send", s.const("seven"))
    graph = s.done(s.op("look"))
    ops = {**table(send, effects=True), **table(slow, look)}
    assert run(graph, ops, xs=["three", "four", "five"]) == ["one", "two", "three", "four", "five", "six", "seven"]


def test_no_effect_happens_behind_a_failure() -> None:
    events: list[str] = []

    async def fail() -> None:
        for _ in range(5):
            await asyncio.sleep(0)
        raise Boom

    def send(x: str) -> None:
        events.append(x)

    s = Sketch()
    s.op("send", s.const("before"))
    s.op("fail")
    graph = s.done(s.branch(s.const(True), lambda: s.op("send", s.const("behind")), lambda: s.const(0)))
    with pytest.raises(Boom):
        run(graph, {**table(send, effects=True), **table(fail)})
    assert events == ["before"]


# --- samples ---------------------------------------------------------------------------------------------------------


def collect() -> tuple[Scripted, list[str]]:
    samples: list[str] = []

    def answer(request: Request) -> str:
        samples.append(request.sample)
        return "x"

    return Scripted(answer), samples


def test_sample_indices_say_step_region_path_and_replica() -> None:
    lm, samples = collect()
    s = Sketch("xs", predictors=ASK)
    s.step("ask", text=s.const("t"))
    s.step("ask", text=s.const("t"))
    s.map(s["xs"], lambda x: s.replicate(2, lambda: s.step("ask", text=x)))
    graph = s.done(s.const(None))
    run(graph, lm=lm, xs=["a", "a"])
    assert sorted(samples) == ["ask", "ask#2", "ask#3/0/0", "ask#3/0/1", "ask#3/1/0", "ask#3/1/1"]


def test_a_modules_calls_are_told_apart() -> None:
    lm, samples = collect()
    vote: dict[str, JSON] = {"module": "vote", "n": 3, "key": "treadle:text"}
    ask = Predictor(signature=from_string("text -> reply", name="ask"), module=vote)
    s = Sketch("xs", predictors={"ask": ask})
    graph = s.done(s.map(s["xs"], lambda x: s.step("ask", text=x)))
    run(graph, lm=lm, xs=["a", "b"])
    assert sorted(samples) == [f"ask/{item}/{replica}" for item in range(2) for replica in range(3)]


def test_in_host_mode_the_index_counts_identical_calls() -> None:
    lm, samples = collect()
    ask = Predictor(signature=from_string("text -> reply", name="ask"))

    async def main() -> None:
        async def program() -> None:
            for text in ("a", "b", "a", "a"):
                await run_step("ask", ask, {"text": text}, Session())

        await run_function("program", program, {}, Session(lm=lm))
        await run_function("program", program, {}, Session(lm=lm))

    asyncio.run(main())
    assert samples == ["ask~0", "ask~0", "ask~1", "ask~2"] * 2


def test_a_program_called_from_an_op_is_told_apart_by_where_it_stands() -> None:
    lm, samples = collect()
    inner = chain(1)

    async def helper(text: str) -> Any:
        first = await run_graph(inner, {}, {"text": text}, Session())
        return [first, await run_graph(inner, {}, {"text": text}, Session())]

    s = Sketch("xs")
    graph = s.done(s.map(s["xs"], lambda x: s.op("helper", x)), "outer")
    run(graph, table(helper), lm=lm, xs=["a", "a"])
    assert sorted(samples) == [
        "helper/0/program~0/ask",
        "helper/0/program~1/ask",
        "helper/1/program~0/ask",
        "helper/1/program~1/ask",
    ]


# --- candidates ------------------------------------------------------------------------------------------------------


def test_a_candidates_instruction_is_sent_and_plans_are_kept_apart() -> None:
    seen: list[str] = []

    def answer(request: Request) -> str:
        seen.append(request.messages[0].content)
        return "x"

    graph, lm = chain(1), Scripted(answer)
    tuned = Candidate(values={"ask.instruction": "Be brief."})
    for candidate in (Candidate(), tuned, Candidate(), tuned):
        wait(run_graph(graph, {}, {"text": "t"}, Session(lm=lm, candidate=candidate)))
    assert ["Be brief." in text for text in seen] == [False, True, False, True]
    assert ["Do ask." in text for text in seen] == [True, False, True, False]


def test_a_candidates_module_answers() -> None:
    seen: list[Request] = []

    def answer(request: Request) -> Any:
        seen.append(request)
        return {"reasoning": "because", "reply": "x"}

    candidate = Candidate(values={"ask.module": {"module": "chain_of_thought"}})
    session = Session(lm=Scripted(answer), candidate=candidate)
    assert wait(run_graph(chain(1), {}, {"text": "t"}, session)) == "x"
    assert seen[0].schema is not None


def test_a_candidates_context_edges_are_wired() -> None:
    seen: dict[str, str] = {}

    def answer(request: Request) -> str:
        seen[request.sample] = request.messages[-1].content
        return "said by " + request.sample

    s = Sketch("text", predictors={**ASK, "triage": "text -> team"})
    s.step("triage", text=s["text"])
    graph = s.done(s.map(s.const(["a"]), lambda x: s.step("ask", text=x)))
    values: dict[str, JSON] = {"ask.from_triage": True, "other.from_triage": True}
    session = Session(lm=Scripted(answer), candidate=Candidate(values=values))
    wait(run_graph(graph, {}, {"text": "t"}, session))
    assert "Context from triage" in seen["ask/0"]
    assert "said by triage" in seen["ask/0"]
    wait(run_graph(graph, {}, {"text": "t"}, Session(lm=Scripted(answer))))
    assert "Context from" not in seen["ask/0"]


def test_edits_are_for_the_programs_own_graph_alone() -> None:
    edit: JSON = {"op": "add_context_edge", "target": "ask", "args": {"source": "triage"}}
    session = Session(candidate=Candidate(values={".edits": [edit], "ask.instruction": "x"}))
    assert dict(session.for_parts().candidate.values) == {"ask.instruction": "x"}
    with pytest.raises(GraphError, match="triage"):
        wait(run_graph(chain(1), {}, {"text": "t"}, session))


def test_two_tables_of_ops_do_not_share_a_plan() -> None:
    s = Sketch()
    graph = s.done(s.op("f"))
    assert [run(graph, {"f": Op(name="f", function=lambda n=n: n)}) for n in range(3)] == [0, 1, 2]


def test_a_stub_stands_in_for_its_op() -> None:
    def send() -> str:
        raise AssertionError("sent")

    ops, fakes = table(send, effects=True), {"send": Op(name="send", function=lambda: "fake", effects=True)}
    s = Sketch()
    graph = s.done(s.op("send"))
    assert wait(run_graph(graph, ops, {}, Session(stubs=fakes))) == "fake"

    def program() -> Any:
        return call_op(ops["send"], (), {})

    assert call_function("program", program, {}, Session(stubs=fakes)) == "fake"


# --- many at once ----------------------------------------------------------------------------------------------------


def test_thirty_two_threads_run_eight_programs_each() -> None:
    graph = chain(3)
    results: dict[str, Any] = {}

    def work(number: int) -> None:
        for turn in range(8):
            text = f"{number}.{turn}"
            results[text] = run(graph, text=text)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 256
    assert all(value == f"re:re:re:{text}" for text, value in results.items())
