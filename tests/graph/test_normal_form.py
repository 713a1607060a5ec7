from hypothesis import given

from tests.graph.strategies import graphs
from tests.graph.stubs import run
from treadle.compiler.canonical import JSON
from treadle.compiler.graph.build import GraphBuilder, Value
from treadle.compiler.graph.check import check
from treadle.compiler.graph.identity import graph_hash
from treadle.compiler.graph.nodes import Graph, Predictor
from treadle.compiler.graph.normal_form import normal_form
from treadle.compiler.graph.rewrite import Rewrite, apply, describe, inverse
from treadle.compiler.hints import from_string

STEP = from_string("text -> answer", name="say")
UPPER: JSON = ["method", ["arg", 0], "upper", [], {}]


def program(*, twice: bool) -> Graph:
    """A text in capitals, computed once or twice, and said."""
    g = GraphBuilder("p", from_string("text -> answer"))
    first = g.expr(UPPER, [g.inputs["text"]], str)
    again = g.expr(UPPER, [g.inputs["text"]], str) if twice else first
    if twice:
        g.expr(UPPER, [again], str)
    g.step("say", "say", STEP, {"text": first})
    last = g.step("say#2", "say", STEP, {"text": again})
    return g.finish(last, {"say": Predictor(signature=STEP)})


def test_equal_expressions_become_one_and_unused_ones_none() -> None:
    assert graph_hash(program(twice=True)) != graph_hash(program(twice=False))
    assert graph_hash(normal_form(program(twice=True))) == graph_hash(program(twice=False))


def test_inner_regions_read_what_was_computed_outside_but_not_the_other_way_round() -> None:
    def built(outside: bool) -> Graph:
        g = GraphBuilder("p", from_string("text -> answer"))
        if outside:
            g.step("say", "say", STEP, {"text": g.expr(UPPER, [g.inputs["text"]], str)})

        def body() -> Value:
            return g.step("say#2", "say", STEP, {"text": g.expr(UPPER, [g.inputs["text"]], str)})

        g.replicate(2, body)
        last = g.expr(UPPER, [g.inputs["text"]], str)
        return g.finish(last, {"say": Predictor(signature=STEP)})

    merged = normal_form(built(outside=True))
    check(merged)
    assert sum(node.kind == "expr" for _, node in merged.walk()) == 1
    apart = normal_form(built(outside=False))
    check(apart)
    assert sum(node.kind == "expr" for _, node in apart.walk()) == 2


@given(graphs(bounded=True, most=5))
def test_a_run_gives_and_asks_the_same(graph: Graph) -> None:
    normal = normal_form(graph)
    check(normal)
    before, after = run(graph), run(normal)
    assert after.outcome == before.outcome
    assert after.calls == before.calls


@given(graphs(most=5))
def test_it_is_a_normal_form(graph: Graph) -> None:
    normal = normal_form(graph)
    assert graph_hash(normal_form(normal)) == graph_hash(normal)
    assert [step.name for step in normal.steps()] == [step.name for step in graph.steps()]


def test_as_a_rewrite_it_is_undone_by_bringing_back_the_graph() -> None:
    graph, rewrite = program(twice=True), Rewrite(op="normalise", target="", args={})
    after = apply(graph, rewrite)
    assert graph_hash(after) == graph_hash(program(twice=False))
    back = inverse(graph, rewrite)
    assert graph_hash(apply(after, back)) == graph_hash(graph)
    assert describe(rewrite) == "compute equal expressions once and unused ones not at all"
    assert describe(back) == "bring back the graph as it was"
