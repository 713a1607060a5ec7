"""The builder: graphs in program order, and mistakes named."""

from typing import Any

import pydantic
import pytest

from treadle.compiler.errors import GraphError
from treadle.compiler.graph import nodes
from treadle.compiler.graph.build import GraphBuilder
from treadle.compiler.graph.check import check
from treadle.compiler.graph.nodes import Graph, Predictor
from treadle.compiler.graph.op import Op
from treadle.compiler.hints import from_function, from_string
from treadle.compiler.signature import Signature

ASK = from_string("question, hint: str -> answer: int", name="ask")


class Paper(pydantic.BaseModel):
    title: str


def builder(name: str = "refine", signature: Signature = ASK) -> GraphBuilder:
    return GraphBuilder(name, signature)


def test_nodes_come_in_program_order_with_types() -> None:
    g = builder()
    (drafts,) = g.replicate(3, lambda: g.lm(ASK, g.inputs))
    (best,) = g.loop([drafts], lambda turn, found: g.expr(["arg", 0], [found], list[int]), bound=2)
    graph = g.finish(best)
    assert [(node.kind, node.id, node.types) for _, node in graph.walk()] == [
        ("input", "n1", (str,)),
        ("input", "n2", (str,)),
        ("replicate", "n3", (list[int],)),
        ("lm", "n4", (int,)),
        ("loop", "n5", (list[int],)),
        ("expr", "n6", (list[int],)),
        ("output", "n7", ()),
    ]
    check(graph)


def test_regions_may_have_several_results() -> None:
    g = builder()
    first, second = g.map(g.const(["x"], list[str]), lambda item: [item, g.const(1)])
    assert (first.annotation, second.annotation) == (list[str], list[int])
    yes, no = g.branch(g.inputs["hint"], lambda: [first, g.const(1)], lambda: [second, g.const(2.5)])
    assert (yes.annotation, no.annotation) == (list[str] | list[int], int | float)
    check(g.finish(yes))


def test_roles_and_modules_make_the_address() -> None:
    class Inner:
        def build(self, signature: Signature) -> Graph:
            g = GraphBuilder("inner", signature)
            answer = g.lm(signature, g.inputs)
            return g.finish(g.branch(answer, lambda: g.lm(signature, g.inputs, role="critic"), lambda: answer)[0])

    g = builder("refine")
    draft = g.module(Inner(), ASK, g.inputs, temperature=0.9)
    g.lm(ASK, g.inputs, role="critic")
    graph = g.finish(g.module(Inner(), ASK, {**g.inputs, "hint": g.const("think")}, role="second"))
    found = [(n.address, n.purpose, n.temperature) for _, n in graph.walk() if isinstance(n, nodes.LM)]
    assert found == [
        ("refine/inner/predict", "", 0.9),
        ("refine/inner.critic/predict", "critic", None),
        ("refine.critic/predict", "critic#2", None),
        ("refine.second/inner/predict", "second", None),
        ("refine.second/inner.critic/predict", "second.critic", None),
    ]
    assert draft.annotation is int
    check(graph)


def test_a_left_out_input_of_a_module_has_its_default() -> None:
    class Plain:
        def build(self, signature: Signature) -> Graph:
            g = GraphBuilder("plain", signature)
            return g.finish(g.lm(signature, g.inputs))

    def asked(question: str, limit: int = 3) -> int:
        """Ask."""
        ...

    g = builder()
    graph = g.finish(g.module(Plain(), from_function(asked), {"question": g.inputs["question"]}))
    constants = [node.value for node in graph.nodes if isinstance(node, nodes.Const)]
    assert constants == [3]
    check(graph)


def test_fields_of_models_are_typed() -> None:
    g = builder(signature=from_string("a -> b"))
    paper = g.call("find", {}, returns=Paper)
    assert paper.field("title").annotation is str
    with pytest.raises(GraphError, match="Paper has no field 'name'; it has title"):
        paper.field("name")


def test_ops_by_position_and_by_name() -> None:
    def look(where: str, times: int) -> list[str]:
        return [where] * times

    op = Op(name="look", function=look, returns=list[str], effects=True)
    g = builder()
    g.op(op, [g.inputs["hint"], g.const(2)])
    g.op(op, {"times": g.const(2), "where": g.inputs["hint"]}, returns=list)
    found = [node for node in g.finish(g.inputs["hint"]).nodes if isinstance(node, nodes.Op)]
    assert [[name for name, _ in node.inputs] for node in found] == [["0", "1"], ["times", "where"]]
    assert [node.types for node in found] == [(list[str],), (list,)]
    assert all(node.effects for node in found)


def mistakes() -> list[Any]:
    def steps(g: GraphBuilder) -> Any:
        class WithStep:
            def build(self, signature: Signature) -> Graph:
                inner = GraphBuilder("bad", signature)
                step = inner.step("ask", "ask", ASK, inner.inputs)
                return inner.finish(step, {"ask": Predictor(signature=ASK)})

        return g.module(WithStep(), ASK, g.inputs)

    return [
        (lambda g: g.lm(ASK, {"question": g.inputs["question"]}), "'ask' needs the input hint", 5),
        (lambda g: g.lm(ASK, {**g.inputs, "extra": g.inputs["hint"]}), "'ask' has no input extra; it takes", 5),
        (lambda g: g.branch(g.inputs["hint"], list, lambda: g.inputs["hint"]), "0 and 1 results", 7),
        (lambda g: g.loop([g.inputs["hint"]], lambda turn, x: x), "needs bound=", 9),
        (lambda g: g.loop([g.inputs["hint"]], lambda turn, x: [], bound=1), "gives 0 results; give 1", 7),
        (lambda g: g.loop([g.inputs["hint"]], lambda turn, x: x, bound=1, stops=True), "and the stop flag", 7),
        (steps, "may not hold steps", 0),
    ]


@pytest.mark.parametrize(("build", "said", "rule"), mistakes())
def test_mistakes_are_named(build: Any, said: str, rule: int) -> None:
    with pytest.raises(GraphError, match=said) as caught:
        build(builder())
    assert caught.value.rule == rule
