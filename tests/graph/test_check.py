"""Every rule holds for legal graphs and catches the graph that breaks it."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given

from tests.graph.strategies import graphs, renamed
from treadle.compiler.errors import GraphError
from treadle.compiler.graph import nodes
from treadle.compiler.graph.build import GraphBuilder
from treadle.compiler.graph.check import RULES, check, check_rewrite
from treadle.compiler.graph.nodes import Argument, Graph, Node, NodeId, Predictor, Ref, Region
from treadle.compiler.hints import from_string
from treadle.compiler.prompt.demo import Demo
from treadle.modules import BestOf, ChainOfThought, Module, Predict, Vote

TRIAGE = Predictor(signature=from_string("ticket -> team: Literal['a', 'b']", name="triage", instruction="Choose."))
REPLY = Predictor(signature=from_string("team: Literal['a', 'b'], times: int -> text", name="reply"))


def program() -> Graph:
    """Input n1, triage n2, const n3, map n4 (expr n5), reply n6, unused expr n7, output n8."""
    g = GraphBuilder("program", from_string("ticket -> answer", name="program"))
    team = g.step("triage", "triage", TRIAGE.signature, {"ticket": g.inputs["ticket"]})
    times = g.const(3)
    (marks,) = g.map(g.const(["x"], list[str]), lambda item: g.expr(["arg", 0], [item], str))
    text = g.step("reply", "reply", REPLY.signature, {"team": team, "times": times})
    g.expr(["arg", 0], [marks])
    return g.finish(text, {"triage": TRIAGE, "reply": REPLY})


def node(graph: Graph, kind: str, number: int = 0) -> Any:
    return [found for _, found in graph.walk() if found.kind == kind][number]


def changed(graph: Graph, old: Node, **fields: Any) -> Graph:
    """The graph with one node at the top changed."""
    new = dataclasses.replace(old, **fields)
    return dataclasses.replace(graph, nodes=tuple(new if found is old else found for found in graph.nodes))


def with_nodes(graph: Graph, *found: Node) -> Graph:
    return dataclasses.replace(graph, nodes=found)


@given(graphs())
def test_a_legal_graph_passes(graph: Graph) -> None:
    check(graph)
    check(renamed(graph))
    check_rewrite(graph, graph)


@pytest.mark.parametrize("module", [Predict(), ChainOfThought(), Vote(BestOf()), BestOf(ChainOfThought(), judge="x")])
def test_the_graphs_of_modules_pass(module: Module) -> None:
    check(module.build(TRIAGE.signature))


def test_rules_are_numbered_and_stated() -> None:
    assert [rule.number for rule in RULES] == list(range(1, 17))
    assert all(rule.states.endswith(".") and "\n" not in rule.states for rule in RULES)


def out_of_order(graph: Graph) -> Graph:
    return with_nodes(graph, *graph.nodes[1:-1], graph.nodes[0], graph.nodes[-1])


def second_output(graph: Graph) -> Graph:
    return with_nodes(graph, graph.nodes[0], dataclasses.replace(graph.nodes[-1], id=NodeId("o")), *graph.nodes[1:])


def second_input(graph: Graph) -> Graph:
    return with_nodes(graph, dataclasses.replace(graph.nodes[0], id=NodeId("n0")), *graph.nodes)


def twice_written(graph: Graph) -> Graph:
    loop = node(graph, "map")
    body = dataclasses.replace(loop.body, arguments=(Argument(ref=Ref("n1")),))
    return changed(graph, loop, body=body)


def later(graph: Graph) -> Graph:
    return changed(graph, node(graph, "step"), inputs=(("ticket", Ref("n7")),))


def inside(graph: Graph) -> Graph:
    return changed(graph, node(graph, "output"), value=Ref(node(graph, "expr").id))


def more_arguments(graph: Graph) -> Graph:
    loop = node(graph, "map")
    body = dataclasses.replace(loop.body, arguments=(*loop.body.arguments, Argument(ref=Ref("extra"))))
    return changed(graph, loop, body=body)


def branch(graph: Graph, *results: tuple[Ref, ...]) -> Graph:
    arms = [Region(nodes=(), results=refs) for refs in results]
    new = nodes.Branch(id=NodeId("b"), types=(str,), condition=Ref("n1"), then=arms[0], otherwise=arms[1])
    return with_nodes(graph, *graph.nodes[:-1], new, graph.nodes[-1])


def loop(graph: Graph, **fields: Any) -> Graph:
    body = Region(nodes=(), results=(Ref("x"),), arguments=(Argument(ref=Ref("i")), Argument(ref=Ref("x"))))
    found: dict[str, Any] = {"items": None, "carried": (Ref("n1"),), "body": body, "types": (str,), **fields}
    return with_nodes(graph, *graph.nodes[:-1], nodes.Loop(id=NodeId("l"), **found), graph.nodes[-1])


def replicate(graph: Graph, count: int) -> Graph:
    body = Region(nodes=(), results=(Ref("n1"),))
    new = nodes.Replicate(id=NodeId("r"), types=(list[str],), count=count, body=body)
    return with_nodes(graph, *graph.nodes[:-1], new, graph.nodes[-1])


BROKEN: list[tuple[int, Callable[[Graph], Graph], str]] = [
    (1, lambda g: with_nodes(g), "not an output"),
    (1, lambda g: with_nodes(g, *g.nodes[:-1]), "not an output"),
    (1, out_of_order, "'ticket' stands after"),
    (1, second_output, "does not stand last"),
    (1, second_input, "two inputs are called 'ticket'"),
    (2, lambda g: changed(g, node(g, "step"), id=NodeId("n1")), "two nodes have the id n1"),
    (2, twice_written, "n1 is written twice"),
    (3, lambda g: changed(g, node(g, "step"), inputs=(("ticket", Ref("n99")),)), "nothing writes it"),
    (3, inside, "inside a region it is not in"),
    (3, lambda g: branch(g, (Ref("n1"),), (Ref("n88"),)), "a region reads n88"),
    (4, later, "the step 'triage' reads n7, which the step 'reply' writes only afterwards"),
    (4, lambda g: changed(g, node(g, "step"), inputs=(("ticket", Ref("n2")),)), "writes only afterwards"),
    (5, lambda g: changed(g, node(g, "step"), inputs=()), "needs the input 'ticket': str"),
    (5, lambda g: changed(g, node(g, "step"), inputs=(("ticket", Ref("n1")),) * 2), "given 'ticket' twice"),
    (5, lambda g: changed(g, node(g, "step"), inputs=(("mail", Ref("n1")),)), "has no input 'mail'"),
    (5, lambda g: changed(g, node(g, "step"), types=(int,)), "is said to give int"),
    (6, lambda g: changed(g, node(g, "step"), name="choose"), "is called 'choose'"),
    (6, lambda g: changed(g, node(g, "step"), name="triage#second"), "is called 'triage#second'"),
    (6, lambda g: changed(g, node(g, "step"), predictor="nobody"), "which the graph does not hold"),
    (6, lambda g: dataclasses.replace(g, predictors={**g.predictors, "x": TRIAGE}), "has a signature called 'triage'"),
    (7, more_arguments, "2 arguments and 1 results instead of 1 and 1"),
    (7, lambda g: branch(g, (Ref("n1"),), ()), "0 arguments and 0 results instead of 0 and 1"),
    (7, lambda g: loop(g, bound=2, stops=True), "instead of 2 and 2"),
    (7, lambda g: loop(g, bound=2, types=(str, str)), "a region of the loop l"),
    (8, lambda g: changed(g, node(g, "step", 1), context=(("b", Ref("n1")), ("a", Ref("n1")))), "b, a"),
    (8, lambda g: changed(g, node(g, "step", 1), context=(("a", Ref("n1")),) * 2), "a, a"),
    (9, lambda g: loop(g), "neither items nor a bound"),
    (9, lambda g: changed(g, node(g, "map"), bound=-1), "has the bound -1"),
    (9, lambda g: replicate(g, 0), "0 replicas"),
    (10, lambda g: changed(g, node(g, "const"), value={1, 2}), "holds a set"),
    (10, lambda g: changed(g, node(g, "const"), value=float("nan")), "holds NaN"),
    (10, lambda g: changed(g, node(g, "const"), value=[{1: "a"}]), "cannot be read|is another"),
]


@pytest.mark.parametrize(("number", "spoil", "said"), BROKEN)
def test_a_broken_rule_is_named(number: int, spoil: Callable[[Graph], Graph], said: str) -> None:
    with pytest.raises(GraphError, match=said) as caught:
        check(spoil(program()))
    assert caught.value.rule == number
    assert f"Rule {number} of graphs" in str(caught.value)


def test_a_type_error_names_both_steps_both_types_and_the_line() -> None:
    graph = program()
    step = node(graph, "step", 1)
    wrong = changed(graph, step, line=12, inputs=(("team", step.inputs[0][1]), ("times", Ref("n2"))))
    with pytest.raises(GraphError) as caught:
        check(wrong)
    said = "the step 'reply' (line 12) takes times: int, but the step 'triage' gives Literal['a', 'b']"
    assert str(caught.value).startswith(said)


def test_a_hash_that_depends_on_ids_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("treadle.compiler.graph.rules.identity", lambda graph: graph.nodes[0].id)
    with pytest.raises(GraphError) as caught:
        check(program())
    assert caught.value.rule == 11


def without(graph: Graph, kind: str, number: int = 0) -> Graph:
    gone = node(graph, kind, number)
    return with_nodes(graph, *(found for found in graph.nodes if found is not gone))


def other_input(graph: Graph) -> Graph:
    first = node(graph, "input")
    return changed(graph, first, slot=dataclasses.replace(first.slot, description="new"))


def new_const(graph: Graph) -> Graph:
    label = nodes.Const(id=NodeId("label"), types=(str,), value="billing")
    return with_nodes(graph, *graph.nodes[:-1], label, graph.nodes[-1])


def new_map(graph: Graph) -> Graph:
    new = dataclasses.replace(
        node(graph, "map"),
        id=NodeId("m"),
        types=(),
        body=Region(nodes=(), results=(), arguments=(Argument(ref=Ref("m:0")),)),
    )
    return with_nodes(graph, *graph.nodes[:-1], new, graph.nodes[-1])


def with_predictor(graph: Graph, name: str, **fields: Any) -> Graph:
    return dataclasses.replace(
        graph, predictors={**graph.predictors, name: dataclasses.replace(graph.predictors[name], **fields)}
    )


UNLAWFUL: list[tuple[int, Callable[[Graph], Graph], str]] = [
    (12, other_input, "inputs have changed"),
    (12, lambda g: changed(g, node(g, "output"), value=node(g, "map").results[0]), "the program gave str and now"),
    (
        12,
        lambda g: with_predictor(
            g,
            "reply",
            signature=REPLY.signature.with_inputs(dataclasses.replace(TRIAGE.signature.inputs[0], default="x")),
        ),
        "fields of 'reply'",
    ),
    (13, lambda g: without(changed(g, node(g, "output"), value=Ref("n1")), "step", 1), "the step 'reply' is gone"),
    (14, lambda g: with_predictor(g, "triage", demos=(Demo(inputs={}, outputs={}),)), "parameters of 'triage'"),
    (14, lambda g: with_predictor(g, "triage", module={"module": "vote"}), "parameters of 'triage'"),
    (15, new_const, "is new: a rewrite adds no value"),
    (16, new_map, "has no bound"),
]


@pytest.mark.parametrize(("number", "spoil", "said"), UNLAWFUL)
def test_an_unlawful_rewrite_is_refused(number: int, spoil: Callable[[Graph], Graph], said: str) -> None:
    before = program()
    check(spoil(before))
    with pytest.raises(GraphError, match=said) as caught:
        check_rewrite(before, spoil(before), touched=frozenset({"reply"}))
    assert caught.value.rule == number


def test_a_rewrite_may_change_what_it_names_and_drop_what_is_unused() -> None:
    before = program()
    after = without(with_predictor(before, "reply", module={"module": "vote"}), "expr", 1)
    check_rewrite(before, after, touched=frozenset({"reply"}))
