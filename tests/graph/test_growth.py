"""What is done to graphs takes time in proportion to their size: looks at nodes, counted at n and at ten times n."""

from collections.abc import Callable

import networkx as nx
import pytest

from tests.graph.sizes import chain, in_networkx, looks, mixed
from treadle.compiler.graph.bounds import bounds
from treadle.compiler.graph.check import check
from treadle.compiler.graph.identity import graph_hash, identity
from treadle.compiler.graph.nodes import Graph, Predictor
from treadle.compiler.graph.normal_form import normal_form
from treadle.compiler.graph.rewrite import Rewrite, apply, inverse
from treadle.compiler.graph.serialize import from_json, to_json
from treadle.compiler.module import expand_step


def expand(name: str, predictor: Predictor) -> Graph:
    return expand_step(name, predictor, {})


def edit(op: str, target: str, **args: str) -> Callable[[Graph], object]:
    return lambda graph: apply(graph, Rewrite(op=op, target=target, args=args), expand=expand)


def first_step_renamed(graph: Graph) -> Graph:
    """The graph with a first step of a predictor of its own, which all others may read."""
    return apply(graph, Rewrite(op="copy", target="say", args={"name": "first", "steps": ["say"]}))


ACTIONS: dict[str, Callable[[Graph], object]] = {
    "check": check,
    "hash": identity,
    "write": to_json,
    "write and read": lambda graph: from_json(to_json(graph)),
    "normal form": normal_form,
    "bounds": lambda graph: bounds(graph, expand=expand),
    "drop an input": edit("drop_input", "say", field="tone"),
    "bypass a step": edit("bypass", "say#2", input="text"),
    "insert a step": edit("insert_step", "say", field="text", name="polish", instruction="Polish it."),
    "normalise": edit("normalise", ""),
    "undo a bypass": lambda graph: inverse(graph, Rewrite(op="bypass", target="say", args={"input": "text"})),
}


def looks_a_node(action: Callable[[Graph], object], graph: Graph) -> float:
    with looks() as seen:
        action(graph)
    return seen.total() / sum(1 for _ in graph.walk())


@pytest.mark.parametrize(("make", "size"), [(chain, 5), (mixed, 1)])
@pytest.mark.parametrize("what", ACTIONS)
def test_a_graph_ten_times_as_large_is_looked_at_ten_times_as_often(
    what: str, make: Callable[[int], Graph], size: int
) -> None:
    small, large = (looks_a_node(ACTIONS[what], make(times * size)) for times in (1, 10))
    assert 0 < large <= 1.5 * small


def test_an_edge_to_many_steps_costs_in_proportion_to_them() -> None:
    add = edit("add_context_edge", "say", source="first")
    small, large = (looks_a_node(add, first_step_renamed(chain(size))) for size in (5, 50))
    assert 0 < large <= 1.5 * small


def test_a_repeated_hash_looks_at_nothing() -> None:
    graph = mixed(10)
    graph_hash(graph)
    with looks() as seen:
        graph_hash(graph)
    assert not seen


def test_looks_are_counted_only_meanwhile() -> None:
    graph = chain(3)
    with looks() as seen:
        assert graph.nodes[0].id == "n1"
    assert graph.nodes[0].kind == "input"
    assert dict(seen) == {"id": 1}


def test_the_graphs_are_what_they_say() -> None:
    for graph in (chain(5), mixed(4)):
        check(graph)
        assert nx.is_directed_acyclic_graph(in_networkx(graph))
        assert in_networkx(graph).number_of_nodes() == sum(1 for _ in graph.walk())
    assert {node.kind for _, node in mixed(1).walk()} >= {"step", "op", "expr", "map", "branch", "loop", "replicate"}
    assert sum(1 for _ in mixed(4).walk()) == 56
