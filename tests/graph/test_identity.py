"""Hashes: what changes them and what does not."""

import dataclasses
from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.graph.sizes import chain
from tests.graph.strategies import graphs, renamed
from tests.graph.test_serialize import through_a_file
from treadle.compiler.canonical import JSON
from treadle.compiler.graph import nodes
from treadle.compiler.graph.build import GraphBuilder, Value
from treadle.compiler.graph.identity import graph_hash, instruction_hash, signature_hash
from treadle.compiler.graph.nodes import Graph, Predictor
from treadle.compiler.graph.serialize import from_json, to_json
from treadle.compiler.graph.substitute import Renumbering
from treadle.compiler.hints import from_string
from treadle.compiler.prompt.demo import Demo

TWO = from_string("a, b -> answer", name="program")


@given(graphs())
def test_ids_lines_and_the_programs_name_do_not_count(graph: Graph) -> None:
    assert graph_hash(renamed(graph)) == graph_hash(graph)
    assert graph_hash(dataclasses.replace(graph, name="other")) == graph_hash(graph)
    moved = tuple(dataclasses.replace(node, line=7) for node in graph.nodes)
    assert graph_hash(dataclasses.replace(graph, nodes=moved)) == graph_hash(graph)


@given(graphs())
def test_a_round_trip_keeps_the_hash(graph: Graph) -> None:
    assert graph_hash(from_json(through_a_file(to_json(graph)))) == graph_hash(graph)


@given(graphs())
def test_canonical_numbering_changes_nothing(graph: Graph) -> None:
    again = dataclasses.replace(graph, nodes=Renumbering().nodes(renamed(graph).nodes))
    assert graph_hash(again) == graph_hash(graph)


@given(graphs(), st.data())
def test_every_node_counts_also_an_unused_one(graph: Graph, data: st.DataObject) -> None:
    inner = [node for node in graph.nodes if not isinstance(node, nodes.Input | nodes.Output)]
    assume(inner)
    node = data.draw(st.sampled_from(inner))
    extra = nodes.Const(id=nodes.NodeId("extra"), types=(str,), value="extra")
    at = graph.nodes.index(node)
    longer = dataclasses.replace(graph, nodes=(*graph.nodes[:at], extra, *graph.nodes[at:]))
    assert graph_hash(longer) != graph_hash(graph)


def build(body: Callable[[GraphBuilder], Value], **predictors: Predictor) -> Graph:
    g = GraphBuilder("program", TWO)
    return g.finish(body(g), predictors)


def upper(g: GraphBuilder, value: Value) -> Value:
    return g.expr(["method", ["arg", 0], "upper", [], {}], [value], str)


def test_what_decides_a_run_counts() -> None:
    step = Predictor(signature=from_string("text -> answer", name="step", instruction="Do it."))
    bodies: list[Callable[[GraphBuilder], Value]] = [
        lambda g: g.inputs["a"],
        lambda g: g.inputs["b"],
        lambda g: upper(g, g.inputs["a"]),
        lambda g: upper(g, g.inputs["b"]),
        lambda g: g.const("a"),
        lambda g: g.const(None),
        lambda g: g.const("b"),
        lambda g: g.call("op", {"0": g.inputs["a"]}),
        lambda g: g.call("op", {"0": g.inputs["a"]}, effects=True),
        lambda g: g.call("op", {"x": g.inputs["a"]}),
        lambda g: g.call("other", {"0": g.inputs["a"]}),
        lambda g: g.map(g.inputs["a"], lambda item: item)[0],
        lambda g: g.map(g.inputs["a"], lambda item: item, bound=3)[0],
        lambda g: g.map(g.inputs["a"], lambda item: g.inputs["a"])[0],
        lambda g: g.replicate(2, lambda: g.inputs["a"])[0],
        lambda g: g.replicate(3, lambda: g.inputs["a"])[0],
        lambda g: g.loop([g.inputs["a"]], lambda item, x: x, bound=2)[0],
        lambda g: g.loop([g.inputs["a"]], lambda item, x: item, bound=2)[0],
        lambda g: g.branch(g.inputs["a"], lambda: g.inputs["a"], lambda: g.inputs["b"])[0],
        lambda g: g.branch(g.inputs["a"], lambda: g.inputs["b"], lambda: g.inputs["a"])[0],
        lambda g: g.branch(g.inputs["b"], lambda: g.inputs["a"], lambda: g.inputs["b"])[0],
        lambda g: g.lm(step.signature, {"text": g.inputs["a"]}),
        lambda g: g.lm(step.signature, {"text": g.inputs["a"]}, temperature=1),
        lambda g: g.lm(step.signature, {"text": g.inputs["a"]}, role="critic"),
        lambda g: g.lm(step.signature.with_instruction("Do that."), {"text": g.inputs["a"]}),
        lambda g: g.step("step", "step", step.signature, {"text": g.inputs["a"]}),
    ]
    hashes = [graph_hash(build(body)) for body in bodies]
    assert len(set(hashes)) == len(bodies)
    demo = Demo(inputs={}, outputs={})
    variants = (
        step,
        dataclasses.replace(step, demos=(demo,)),
        dataclasses.replace(step, module={"module": "vote"}),
        dataclasses.replace(step, model="m"),
        dataclasses.replace(step, temperature=0.0),
    )
    hashes += [graph_hash(build(bodies[-1], step=changed)) for changed in variants]
    assert len(set(hashes)) == len(hashes)


def test_a_plain_module_is_no_module() -> None:
    signature = from_string("text -> answer", name="step")

    def graph(module: JSON) -> Graph:
        predictor = Predictor(signature=signature, module=module)  # type: ignore[arg-type]
        return build(lambda g: g.step("step", "step", signature, {"text": g.inputs["a"]}), step=predictor)

    assert graph_hash(graph({"module": "predict"})) == graph_hash(graph(None))


def test_the_order_of_steps_and_of_context_edges() -> None:
    step = Predictor(signature=from_string("text -> answer", name="step"))

    def two(first: str, second: str) -> Graph:
        def body(g: GraphBuilder) -> Value:
            g.step("step", "step", step.signature, {"text": g.inputs[first]})
            return g.step("step#2", "step", step.signature, {"text": g.inputs[second]})

        return build(body, step=step)

    assert graph_hash(two("a", "b")) != graph_hash(two("b", "a"))

    def reading(*edges: tuple[str, str]) -> Graph:
        graph = build(lambda g: g.step("step", "step", step.signature, {"text": g.inputs["a"]}), step=step)
        context = tuple((source, nodes.Ref(ref)) for source, ref in edges)
        changed = tuple(
            dataclasses.replace(node, context=context) if isinstance(node, nodes.Step) else node for node in graph.nodes
        )
        return dataclasses.replace(graph, nodes=changed)

    assert graph_hash(reading(("x", "n1"), ("y", "n2"))) == graph_hash(reading(("y", "n2"), ("x", "n1")))
    assert graph_hash(reading(("x", "n1"), ("y", "n2"))) != graph_hash(reading(("x", "n2"), ("y", "n1")))


def test_locals_that_a_region_carries_may_be_renamed_out_of_order() -> None:
    """A branch and a loop list what they carry by the locals' names; another order is the same program."""

    def branch(swap: bool) -> Graph:
        def body(g: GraphBuilder) -> Value:
            def then() -> list[Value]:
                made = [upper(g, g.inputs["a"]), g.const("c")]
                return made[::-1] if swap else made

            def otherwise() -> list[Value]:
                return [g.inputs["b"], g.inputs["a"]][:: -1 if swap else 1]

            first, second = g.branch(g.inputs["a"], then, otherwise)
            first, second = (second, first) if swap else (first, second)
            return g.expr(["list", ["arg", 0], ["arg", 1]], [first, second])

        return build(body)

    def loop(swap: bool, *, same_start: bool) -> Graph:
        def body(g: GraphBuilder) -> Value:
            start = [g.inputs["a"], g.inputs["a"] if same_start else g.inputs["b"]]

            def turn(item: Value, *carried: Value) -> list[Value]:
                x, y = carried[::-1] if swap else carried
                x = upper(g, x)
                y = g.expr(["list", ["arg", 0], ["arg", 1]], [y, x])
                return [y, x] if swap else [x, y]

            out = g.loop(start[::-1] if swap else start, turn, bound=3)
            return g.expr(["list", ["arg", 0], ["arg", 1]], out[::-1] if swap else out)

        return build(body)

    assert graph_hash(branch(swap=True)) == graph_hash(branch(swap=False))
    for same_start in (True, False):
        assert graph_hash(loop(swap=True, same_start=same_start)) == graph_hash(loop(swap=False, same_start=same_start))


def test_swapped_loop_results_are_another_program() -> None:
    def loop(swap: bool) -> Graph:
        def body(g: GraphBuilder) -> Value:
            start = [g.inputs["a"], g.inputs["b"]]
            out = g.loop(start, lambda item, x, y: [y, x] if swap else [x, y], bound=3)
            return g.expr(["list", ["arg", 0], ["arg", 1]], out)

        return build(body)

    assert graph_hash(loop(swap=True)) != graph_hash(loop(swap=False))


def test_signature_and_instruction_have_their_own_hashes() -> None:
    one = from_string("text -> answer: int", instruction="Count.")
    assert signature_hash(one) == signature_hash(one.with_instruction("Count it."))
    assert instruction_hash(one) != instruction_hash(one.with_instruction("Count it."))
    assert signature_hash(one) != signature_hash(from_string("text -> answer: float"))


@pytest.mark.parametrize("count", [10, 100])
def test_hashing_visits_every_node_once(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from treadle.compiler.graph import identity

    graph, visits = chain(count), []
    real = identity._Canon._node
    monkeypatch.setattr(identity._Canon, "_node", lambda self, node: visits.append(node) or real(self, node))  # type: ignore[func-returns-value]
    graph_hash(graph)
    assert len(visits) == len(graph.nodes)


def test_a_hash_is_kept_with_its_graph() -> None:
    graph = chain(3)
    assert graph_hash(graph) is graph_hash(graph)
    data: JSON = to_json(graph)
    assert graph_hash(from_json(data)) == graph_hash(graph)
