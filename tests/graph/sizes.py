"""Graphs of any size, for tests and benchmarks of what grows with them; the same graph as networkx holds it."""

import contextlib
from collections import Counter
from collections.abc import Iterator

import networkx as nx

from treadle.compiler.graph import nodes
from treadle.compiler.graph.build import GraphBuilder, Value
from treadle.compiler.graph.nodes import BaseNode, Graph, Node, Predictor
from treadle.compiler.hints import from_function, from_string


def say(text: str, more: str, tone: str = "kind") -> str:
    """Say it."""
    ...


SAY = from_function(say)
CHECK = from_string("text -> answer", name="check", instruction="Check it.")
PREDICTORS = {"say": Predictor(signature=SAY), "check": Predictor(signature=CHECK)}
PROGRAM = from_string("a, b -> answer", name="program")


class _Sites:
    """Adds steps, each under the name its place gives it."""

    def __init__(self) -> None:
        self.g = GraphBuilder("program", PROGRAM)
        self.count: Counter[str] = Counter()

    def say(self, text: Value) -> Value:
        return self._step("say", {"text": text, "more": self.g.inputs["b"], "tone": self.g.inputs["a"]})

    def check(self, text: Value) -> Value:
        return self._step("check", {"text": text})

    def upper(self, text: Value) -> Value:
        return self.g.expr(["method", ["arg", 0], "upper", [], {}], [text], str)

    def _step(self, predictor: str, inputs: dict[str, Value]) -> Value:
        self.count[predictor] += 1
        number = self.count[predictor]
        name = predictor if number == 1 else f"{predictor}#{number}"
        return self.g.step(name, predictor, PREDICTORS[predictor].signature, inputs)

    def finish(self, last: Value) -> Graph:
        return self.g.finish(last, {name: PREDICTORS[name] for name in sorted(self.count)})


def chain(steps: int) -> Graph:
    """So many steps, each of which reads the one before."""
    sites = _Sites()
    last = sites.g.inputs["a"]
    for _ in range(steps):
        last = sites.say(last)
    return sites.finish(last)


def mixed(turns: int) -> Graph:
    """So many times an op, expressions and steps in a map, a branch, a loop and replicas: twelve nodes a turn."""
    sites = _Sites()
    last = sites.check(sites.g.inputs["a"])
    for _ in range(turns):
        last = _turn(sites, last)
    return sites.finish(last)


def _turn(sites: _Sites, last: Value) -> Value:
    g = sites.g
    found = g.call("look_up", {"0": last}, returns=list[str])
    (each,) = g.map(found, lambda item: sites.say(sites.upper(item)), bound=4)
    joined = g.expr(["call", "str", [["arg", 0]], {}], [each], str)
    (chosen,) = g.branch(joined, lambda: sites.say(joined), lambda: sites.upper(joined))
    (better,) = g.loop([chosen], lambda _, text: sites.check(text), bound=2)
    (samples,) = g.replicate(3, lambda: sites.say(better))
    return g.expr(["item", ["arg", 0], ["const", 0]], [samples], str)


def in_networkx(graph: Graph) -> "nx.DiGraph[str]":
    """The graph as networkx would hold it: a node for each node, labelled by its kind; an edge for each read."""
    drawn: nx.DiGraph[str] = nx.DiGraph()
    owner: dict[nodes.Ref, str] = {}

    def put(inside: tuple[Node, ...]) -> None:
        for node in inside:
            drawn.add_node(node.id, label=node.kind)
            owner.update((ref, node.id) for ref in node.results)
            for region in node.regions:
                owner.update((argument.ref, node.id) for argument in region.arguments)
                put(region.nodes)
            drawn.add_edges_from((owner[ref], node.id) for ref in node.reads)

    put(graph.nodes)
    return drawn


@contextlib.contextmanager
def looks() -> Iterator[Counter[str]]:
    """Counts how often each field of nodes is read meanwhile: what a walk over a graph costs, on any machine."""
    counted: Counter[str] = Counter()

    def look(node: BaseNode, name: str) -> object:
        counted[name] += 1
        return object.__getattribute__(node, name)

    BaseNode.__getattribute__ = look  # type: ignore[method-assign,assignment]
    try:
        yield counted
    finally:
        del BaseNode.__getattribute__
