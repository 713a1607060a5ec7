"""Random graphs give what running their nodes one after another gives, whatever overlaps."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.runtime.sketch import Sketch, run
from treadle.compiler.graph import nodes
from treadle.compiler.graph.nodes import Graph, Node, Ref, Region
from treadle.compiler.graph.op import Op
from treadle.compiler.runtime.expressions import compile_expression


class Boom(Exception):
    pass


def slow(turns: int) -> Any:
    """An async op that takes some turns of the loop, and fails for values that end in 7."""

    async def function(x: int) -> int:
        for _ in range(turns + x % 5):
            await asyncio.sleep(0)
        return plain(x)

    return function


def plain(x: int) -> int:
    if x % 10 == 7:
        raise Boom(x)
    return x * 3 + 1


class World:
    """What effects change and other ops see."""

    def __init__(self) -> None:
        self.events: list[int] = []

    def send(self, x: int) -> int:
        self.events.append(x)
        return plain(x)

    async def send_later(self, x: int) -> int:
        await asyncio.sleep(0)
        return self.send(x)

    def look(self, x: int) -> int:
        return plain(x + len(self.events))

    def ops(self) -> dict[str, Op]:
        quiet = {"plain": plain, "slow0": slow(0), "slow3": slow(3), "slow9": slow(9), "look": self.look}
        loud = {"send": self.send, "send_later": self.send_later}
        return {
            **{name: Op(name=name, function=function) for name, function in quiet.items()},
            **{name: Op(name=name, function=function, effects=True) for name, function in loud.items()},
        }


# --- the reference ---------------------------------------------------------------------------------------------------


def reference(graph: Graph, world: World, x: int) -> Any:
    values: dict[Ref, Any] = {graph.inputs[0].results[0]: x}
    one_by_one(graph.nodes, values, world)
    return values[graph.output.value]


def one_by_one(given: tuple[Node, ...], values: dict[Ref, Any], world: World) -> None:
    for node in given:
        match node:
            case nodes.Const():
                values[node.results[0]] = node.value
            case nodes.Expr():
                code = compile_expression(node.expression)
                values[node.results[0]] = code(tuple(values[ref] for ref in node.inputs))
            case nodes.Op():
                name = {"slow0": "plain", "slow3": "plain", "slow9": "plain", "send_later": "send"}.get(
                    node.op, node.op
                )
                function = plain if name == "plain" else getattr(world, name)
                values[node.results[0]] = function(values[node.inputs[0][1]])
            case nodes.Map():
                turns = [enter(node.body, [item], values, world)[0] for item in values[node.items]]
                values[node.results[0]] = turns
            case nodes.Branch():
                arm = node.then if values[node.condition] else node.otherwise
                values[node.results[0]] = enter(arm, [], values, world)[0]
            case nodes.Loop():
                carried = values[node.carried[0]]
                for turn in range(node.bound or 0):
                    carried = enter(node.body, [turn, carried], values, world)[0]
                values[node.results[0]] = carried


def enter(region: Region, arguments: list[Any], values: dict[Ref, Any], world: World) -> list[Any]:
    inside = {**values, **{argument.ref: value for argument, value in zip(region.arguments, arguments, strict=True)}}
    one_by_one(region.nodes, inside, world)
    return [inside[ref] for ref in region.results]


# --- random graphs ---------------------------------------------------------------------------------------------------

OPS = ["plain", "slow0", "slow3", "slow9", "look", "send", "send_later"]


def body(draw: st.DrawFn, s: Sketch, known: list[Ref], depth: int) -> Ref:
    """A few nodes that read what is known; the last one's value."""
    known = list(known)
    for _ in range(draw(st.integers(1, 5))):
        read = draw(st.sampled_from(known))
        kind = draw(st.sampled_from(["op", "op", "op", "map", "branch", "loop"] if depth else ["op"]))
        known.append(node(draw, s, kind, read, known, depth))
    return known[-1]


def node(draw: st.DrawFn, s: Sketch, kind: str, read: Ref, known: list[Ref], depth: int) -> Ref:
    if kind == "map":
        items = s.expr(["call", "range", [["binary", "%", ["arg", 0], ["const", 4]]], {}], read)
        mapped = s.map(items, lambda item: body(draw, s, [*known, item], depth - 1))
        return s.expr(["call", "sum", [["arg", 0]], {}], mapped)
    if kind == "branch":
        condition = s.expr(["binary", "%", ["arg", 0], ["const", 2]], read)
        return s.branch(condition, lambda: body(draw, s, known, depth - 1), lambda: body(draw, s, known, depth - 1))
    if kind == "loop":
        bound = draw(st.integers(0, 3))
        return s.loop(None, [read], lambda turn, value: body(draw, s, [*known, turn, value], depth - 1), bound=bound)
    return s.op(draw(st.sampled_from(OPS)), read)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    s = Sketch("x")
    return s.done(body(draw, s, [s["x"]], 2))


def outcome(run_it: Any) -> tuple[str, Any]:
    try:
        return "value", run_it()
    except Boom as error:
        return "raised", error.args


@settings(max_examples=400)
@given(graphs(), st.integers(0, 30))
def test_a_run_gives_what_its_nodes_give_one_by_one(graph: Graph, x: int) -> None:
    expected, found = World(), World()
    wanted = outcome(lambda: reference(graph, expected, x))
    assert outcome(lambda: run(graph, found.ops(), x=x)) == wanted
    assert found.events == expected.events
