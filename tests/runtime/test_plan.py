"""Plans: constants, ops, what waits for what, and how long plans are kept."""

from __future__ import annotations

import enum
import gc
import weakref
from typing import Any

import pytest

import treadle.modules  # noqa: F401  registers Vote
from tests.runtime.sketch import Sketch, echo, predictor, run, table
from treadle.compiler.canonical import JSON
from treadle.compiler.errors import ConfigurationError, GraphError
from treadle.compiler.graph.nodes import Ref
from treadle.compiler.graph.parameters import Candidate
from treadle.compiler.lm.scripted import Scripted
from treadle.compiler.runtime import interpreter
from treadle.compiler.runtime.background import wait
from treadle.compiler.runtime.interpreter import run_graph
from treadle.compiler.runtime.plan import plan_graph
from treadle.compiler.runtime.session import Session
from treadle.compiler.trace.tracer import trace


class Colour(enum.Enum):
    RED = "red"


def test_constants_have_their_types_again() -> None:
    s = Sketch()
    made = [s.const("red", Colour), s.const([1, "a"], tuple[int, str]), s.const([1], list), s.const("x", str)]
    tree: list[JSON] = ["list", ["arg", 0], ["arg", 1], ["arg", 2], ["arg", 3]]
    assert run(s.done(s.expr(tree, *made))) == [Colour.RED, (1, "a"), [1], "x"]


def test_a_constant_not_of_its_type_and_an_unwritten_value_are_refused() -> None:
    s = Sketch()
    with pytest.raises(GraphError, match="constant 'n1' is not of its type"):
        run(s.done(s.const("blue", Colour)))
    with pytest.raises(GraphError, match="'n9' is read before anything writes it"):
        run(Sketch().done(Ref("n9")))


def test_independent_actions_wait_for_nothing_and_effects_for_all() -> None:
    def send(x: Any) -> None: ...

    def look(x: Any) -> None: ...

    s = Sketch("x")
    s.op("look", s["x"])
    s.expr(["arg", 0], s["x"])
    s.op("send", s["x"])
    s.op("send", s["x"])
    s.op("look", s["x"])
    s.expr(["arg", 0], s["x"])
    graph = s.done(s["x"])
    block = plan_graph(graph, {**table(look), **table(send, effects=True)}, {}).block
    assert block.waiting == (0, 0, 2, 1, 1, 0)
    assert block.followers == ((2,), (2,), (3,), (4,), (), ())


def test_a_trace_names_arguments_given_by_place() -> None:
    def join(first: str, second: str) -> str:
        return first + second

    s = Sketch("x")
    graph = s.done(s.op("max", s.op("join", s["x"], s["x"]), s["x"]))
    with trace() as t:
        run(graph, table(join, max), x="a")
    assert [span.inputs for span in t.traces[0].spans[1:]] == [{"first": "a", "second": "a"}, {"0": "aa", "1": "a"}]


def test_plans_live_as_long_as_their_graph() -> None:
    s = Sketch("x")
    graph = s.done(s["x"])
    assert [run(graph, x=number) for number in range(2)] == [0, 1]
    kept = interpreter._graph_plans._known
    number, gone = id(graph), weakref.ref(graph)
    assert len(kept[number][1]) == 1
    del graph, s
    gc.collect()
    assert gone() is None
    assert number not in kept


def test_the_least_recent_of_many_plans_is_dropped() -> None:
    s = Sketch("text", predictors={"ask": "text -> reply"})
    graph = s.done(s.step("ask", text=s["text"]))
    for number in range(interpreter._KEPT + 5):
        candidate = Candidate(values={"ask.instruction": f"Number {number}."})
        wait(run_graph(graph, {}, {"text": "a"}, Session(lm=echo(), candidate=candidate)))
    assert len(interpreter._graph_plans._known[id(graph)][1]) == interpreter._KEPT


def test_a_plan_made_for_one_temperature_is_not_used_for_another() -> None:
    ask = predictor("ask", "text -> n: int")
    s = Sketch("text", predictors={"ask": ask})
    graph = s.done(s.step("ask", text=s["text"]))
    candidate = Candidate(values={"ask.module": {"module": "vote", "n": 3}})

    def session(temperature: float | None) -> Session:
        return Session(lm=Scripted(lambda request: {"n": 1}, temperature=temperature), candidate=candidate)

    assert wait(run_graph(graph, {}, {"text": "a"}, session(0.7))) == 1
    with pytest.raises(ConfigurationError, match="at temperature 0"):
        wait(run_graph(graph, {}, {"text": "a"}, session(0.0)))
    assert wait(run_graph(graph, {}, {"text": "a"}, session(None))) == 1
