"""Small program graphs by hand, and LMs that answer by rules."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from treadle.compiler.annotations import Annotation
from treadle.compiler.canonical import JSON
from treadle.compiler.graph import nodes
from treadle.compiler.graph.nodes import Argument, Graph, Node, NodeId, Predictor, Ref, Region
from treadle.compiler.graph.op import Op
from treadle.compiler.hints import from_string
from treadle.compiler.lm.protocol import Request
from treadle.compiler.lm.scripted import Scripted
from treadle.compiler.runtime.background import wait
from treadle.compiler.runtime.interpreter import run_graph
from treadle.compiler.runtime.session import Session
from treadle.compiler.signature import Slot

Body = Callable[..., "Ref | Sequence[Ref]"]


class Sketch:
    """A graph in the making. Every method adds a node and gives its reference."""

    def __init__(self, *inputs: str, predictors: Mapping[str, Predictor | str] | None = None) -> None:
        self._count = 0
        self._regions = 0
        self._scopes: list[list[Node]] = [[]]
        self._sites: dict[str, int] = {}
        self.predictors = {name: predictor(name, given) for name, given in (predictors or {}).items()}
        self.inputs = {name: self._input(name) for name in inputs}

    def __getitem__(self, name: str) -> Ref:
        return self.inputs[name]

    def _id(self) -> NodeId:
        self._count += 1
        return NodeId(f"n{self._count}")

    def _add(self, node: Node) -> Ref:
        self._scopes[-1].append(node)
        return node.results[0] if node.results else Ref("")

    def _input(self, name: str) -> Ref:
        return self._add(nodes.Input(id=self._id(), slot=Slot(name=name, annotation=Any)))

    def const(self, value: JSON, annotation: Annotation = Any) -> Ref:
        return self._add(nodes.Const(id=self._id(), value=value, types=(annotation,)))

    def expr(self, tree: JSON, *inputs: Ref, results: int = 1) -> Ref:
        return self._add(nodes.Expr(id=self._id(), expression=tree, inputs=inputs, types=(Any,) * results))

    def op(self, name: str, *inputs: Ref, line: int | None = None, effects: bool = False, **named: Ref) -> Ref:
        given = (*((str(index), ref) for index, ref in enumerate(inputs)), *named.items())
        return self._add(nodes.Op(id=self._id(), op=name, inputs=given, line=line, effects=effects))

    def step(
        self, predictor: str, *, context: Mapping[str, Ref] | None = None, line: int | None = None, **inputs: Ref
    ) -> Ref:
        seen = self._sites[predictor] = self._sites.get(predictor, 0) + 1
        return self._add(
            nodes.Step(
                id=self._id(),
                name=predictor if seen == 1 else f"{predictor}#{seen}",
                predictor=predictor,
                inputs=tuple(inputs.items()),
                context=tuple((context or {}).items()),
                line=line,
            )
        )

    def _region(self, body: Body, arguments: Sequence[str]) -> Region:
        self._regions += 1
        refs = [Ref(f"{name}@{self._regions}") for name in arguments]
        self._scopes.append([])
        given = body(*refs)
        inner = self._scopes.pop()
        results = (given,) if isinstance(given, str) else tuple(given)
        return Region(nodes=tuple(inner), results=results, arguments=tuple(Argument(ref=ref) for ref in refs))

    def map(self, items: Ref, body: Body) -> Ref:
        region = self._region(body, ("element",))
        return self._add(nodes.Map(id=self._id(), items=items, body=region, types=tuple(Any for _ in region.results)))

    def branch(self, condition: Ref, then: Body, otherwise: Body) -> Ref:
        yes, no = self._region(then, ()), self._region(otherwise, ())
        types = tuple(Any for _ in yes.results)
        return self._add(nodes.Branch(id=self._id(), condition=condition, then=yes, otherwise=no, types=types))

    def loop(
        self, items: Ref | None, carried: Sequence[Ref], body: Body, *, stops: bool = False, bound: int | None = None
    ) -> Ref:
        region = self._region(body, ("element", *(f"carried{index}" for index in range(len(carried)))))
        return self._add(
            nodes.Loop(
                id=self._id(),
                items=items,
                carried=tuple(carried),
                body=region,
                stops=stops,
                bound=bound,
                types=tuple(Any for _ in carried),
            )
        )

    def replicate(self, count: int, body: Body) -> Ref:
        region = self._region(body, ())
        return self._add(
            nodes.Replicate(id=self._id(), count=count, body=region, types=tuple(Any for _ in region.results))
        )

    def done(self, value: Ref, name: str = "program") -> Graph:
        self._add(nodes.Output(id=self._id(), value=value))
        return Graph(name=name, nodes=tuple(self._scopes[0]), predictors=self.predictors)


def predictor(name: str, given: Predictor | str, **rest: Any) -> Predictor:
    """A predictor from a signature's text."""
    if isinstance(given, Predictor):
        return given
    return Predictor(signature=from_string(given, name=name, instruction=f"Do {name}."), **rest)


def table(*functions: Callable[..., Any], **flags: Any) -> dict[str, Op]:
    """Ops by the names of their functions."""
    return {function.__name__: Op(name=function.__name__, function=function, **flags) for function in functions}


def field(request: Request, name: str) -> str:
    """The value of an input as the last user message shows it."""
    for message in request.messages[::-1]:
        found = re.search(rf"<{name}>\n(.*)\n</{name}>", message.content, re.DOTALL)
        if found:
            return found[1]
    raise AssertionError(f"no field {name} in {request.messages[-1].content!r}")


def echo(prefix: str = "re:", name: str = "text") -> Scripted:
    """Answers ``re:<text>``, after a number of turns of the loop that depends on the request alone: scrambled order."""

    async def answer(request: Request) -> str:
        for _ in range(request.seed % 7):
            await asyncio.sleep(0)
        return prefix + field(request, name)

    return Scripted(answer)


ECHO = echo()


def run(graph: Graph, ops: Mapping[str, Op] | None = None, lm: Any = ECHO, **inputs: Any) -> Any:
    """Run a graph from synchronous code."""
    return wait(run_graph(graph, ops or {}, inputs, Session(lm=lm)))
