"""Bounds count what a run could do."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.graph.strategies import graphs
from treadle.compiler.graph import nodes
from treadle.compiler.graph.bounds import bounds, lm_calls
from treadle.compiler.graph.build import GraphBuilder, Value
from treadle.compiler.graph.nodes import Graph, Node, Predictor
from treadle.compiler.hints import from_string
from treadle.compiler.module import Module, expand_step
from treadle.modules import BestOf, ChainOfThought, Predict, Vote

STEP = from_string("text -> answer: int", name="step")


def expand(name: str, predictor: Predictor) -> Graph:
    return expand_step(name, predictor, {})


def program(body: Any, module: Module | None = None) -> Graph:
    g = GraphBuilder("program", from_string("text -> answer", name="program"))

    def step(text: Value) -> Value:
        return g.step("step", "step", STEP, {"text": text})

    predictor = Predictor(signature=STEP, module=None if module is None else module.to_json(), max_tokens=100)
    return g.finish(body(g, step), {"step": predictor})


def chain(g: GraphBuilder, step: Any) -> Value:
    return step(step(step(g.inputs["text"])))  # type: ignore[no-any-return]


def fan(g: GraphBuilder, step: Any) -> Value:
    apart = [step(g.inputs["text"]) for _ in range(4)]
    return step(g.call("join", {str(i): value for i, value in enumerate(apart)}))  # type: ignore[no-any-return]


def test_a_chain_and_a_fan() -> None:
    for body, calls, depth in ((chain, 3, 3), (fan, 5, 2)):
        found = bounds(program(body))
        assert (found.lm_calls, found.depth, found.by_predictor) == (calls, depth, {"step": calls})
        assert found.reply_tokens == 100 * calls
        assert found.with_reasks == 2 * calls
    assert bounds(program(fan)).op_calls == {"join": 1}


@pytest.mark.parametrize(
    ("module", "calls", "depth"),
    [(None, 3, 3), (Predict(), 3, 3), (ChainOfThought(), 3, 3), (Vote(n=5), 15, 3), (BestOf(n=4), 24, 6)],
)
def test_modules_count_with_what_they_expand_to(module: Module | None, calls: int, depth: int) -> None:
    found = bounds(program(chain, module), expand=expand)
    assert (found.lm_calls, found.depth, found.by_predictor) == (calls, depth, {"step": calls})


def regions(bound: int | None) -> dict[str, Graph]:
    return {
        "map": program(lambda g, step: g.map(g.inputs["text"], lambda item: step(step(item)), bound=bound)[0]),
        "loop": program(
            lambda g, step: g.loop(
                [g.inputs["text"]], lambda item, x: step(step(x)), items=g.inputs["text"], bound=bound
            )[0]
        ),
    }


def test_regions_multiply() -> None:
    assert [(found.lm_calls, found.depth) for found in map(bounds, regions(4).values())] == [(8, 2), (8, 8)]
    assert [(found.lm_calls, found.depth) for found in map(bounds, regions(0).values())] == [(0, 0), (0, 0)]
    replicas = program(lambda g, step: g.replicate(3, lambda: step(g.inputs["text"]))[0])
    assert (bounds(replicas).lm_calls, bounds(replicas).depth) == (3, 1)


def test_an_unbounded_region_is_unknown_and_says_which_predictor() -> None:
    found = bounds(regions(None)["map"])
    assert (found.lm_calls, found.with_reasks, found.reply_tokens, found.depth) == (None, None, None, 2)
    assert found.by_predictor == {"step": None}
    assert bounds(regions(None)["loop"]).depth is None
    empty = program(lambda g, step: g.map(g.inputs["text"], lambda item: item)[0])
    assert (bounds(empty).lm_calls, bounds(empty).depth) == (0, 0)


def test_a_branch_costs_its_dearer_arm() -> None:
    def body(g: GraphBuilder, step: Any) -> Value:
        (value,) = g.branch(g.inputs["text"], lambda: step(g.inputs["text"]), lambda: chain(g, step))
        return step(value)  # type: ignore[no-any-return]

    found = bounds(program(body))
    assert (found.lm_calls, found.depth) == (4, 4)


def test_a_loop_waits_for_what_it_reads_from_outside() -> None:
    def body(g: GraphBuilder, step: Any) -> Value:
        late = chain(g, step)
        return g.loop([g.inputs["text"]], lambda item, x: step(g.call("join", {"a": x, "b": late})), bound=2)[0]

    assert bounds(program(body)).depth == 5


def test_prompt_tokens_add_up() -> None:
    graph = program(chain, Vote(n=2))
    assert bounds(graph, expand=expand, prompt=lambda node: 10).fixed_tokens == 60
    assert bounds(graph, expand=expand).fixed_tokens is None
    unknown = dataclasses.replace(graph, predictors={"step": Predictor(signature=STEP)})
    assert bounds(unknown).reply_tokens is None


@given(graphs(straight=True))
def test_bounds_are_exact_without_regions(graph: Graph) -> None:
    found = bounds(graph)
    steps = [step.predictor for step in graph.steps()]
    assert found.lm_calls == len(steps)
    assert found.by_predictor == {name: steps.count(name) for name in graph.predictors}


def calls_of_a_run(inside: tuple[Node, ...], draw: Any) -> int:
    """LM calls of one imagined run: arms and turns as chance has it, never beyond what is stated."""
    total = 0
    for node in inside:
        match node:
            case nodes.Step():
                total += 1
            case nodes.Branch():
                total += calls_of_a_run(draw(st.sampled_from([node.then, node.otherwise])).nodes, draw)
            case nodes.Map() | nodes.Loop():
                turns = draw(st.integers(0, node.bound if node.bound is not None else 4))
                total += sum(calls_of_a_run(node.body.nodes, draw) for _ in range(turns))
            case nodes.Replicate():
                total += sum(calls_of_a_run(node.body.nodes, draw) for _ in range(node.count))
    return total


@given(graphs(), st.data())
def test_no_run_makes_more_calls_than_its_bound(graph: Graph, data: st.DataObject) -> None:
    most = lm_calls(graph)
    assert most is None or calls_of_a_run(graph.nodes, data.draw) <= most


@given(graphs(bounded=True), st.data())
def test_a_bounded_graph_is_known_and_an_insertion_costs_no_less(graph: Graph, data: st.DataObject) -> None:
    before = bounds(graph)
    assert before.lm_calls is not None
    assert before.depth is not None
    assert before.depth <= before.lm_calls
    used: Mapping[str, Predictor] = {"step": Predictor(signature=STEP)}
    extra = nodes.Step(id=nodes.NodeId("extra"), types=(int,), name="step", predictor="step", inputs=())
    at = data.draw(st.integers(len(graph.inputs), len(graph.nodes) - 1))
    longer = (*graph.nodes[:at], extra, *graph.nodes[at:])
    after = bounds(dataclasses.replace(graph, nodes=longer, predictors={**graph.predictors, **used}))
    assert after.lm_calls == before.lm_calls + 1
    assert after.depth is not None
    assert after.depth >= before.depth
