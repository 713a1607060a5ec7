"""Random typed graphs for property tests: steps, ops, expressions and nested regions over a small universe of types."""

import dataclasses
import enum
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import pydantic
from hypothesis import strategies as st

from treadle.compiler.annotations import Annotation
from treadle.compiler.canonical import JSON
from treadle.compiler.graph import nodes
from treadle.compiler.graph.build import GraphBuilder, Value
from treadle.compiler.graph.nodes import Graph, NodeId, Predictor
from treadle.compiler.graph.substitute import with_parts
from treadle.compiler.prompt.demo import Demo
from treadle.compiler.signature import Signature, Slot


class Mood(enum.Enum):
    """How it sounds."""

    CALM = "calm"
    ANGRY = "angry"


class Line(pydantic.BaseModel):
    """A line of an invoice."""

    what: str
    count: int = 1


Team = Literal["billing", "shipping"]

TYPES: tuple[Annotation, ...] = (str, int, Team, Mood, Line, list[str], list[Line])

MODULES: tuple[Mapping[str, JSON] | None, ...] = (
    None,
    {"module": "predict"},
    {"module": "chain_of_thought"},
    {"module": "vote", "n": 3, "key": "treadle:text", "inner": {"module": "chain_of_thought"}, "temperature": None},
    {"module": "best_of", "n": 2, "inner": {"module": "predict"}, "judge": "closeness", "temperature": 0.5},
)

NAMES = ("triage", "reply", "plan", "check", "rank")


def predictors() -> st.SearchStrategy[dict[str, Predictor]]:
    """One to five predictors with random fields, modules and defaults."""
    return st.lists(_predictor(), min_size=1, max_size=len(NAMES)).map(_named)


def _named(found: Sequence[Predictor]) -> dict[str, Predictor]:
    pairs = zip(NAMES, found, strict=False)
    return {name: _renamed(predictor, name) for name, predictor in pairs}


def _renamed(predictor: Predictor, name: str) -> Predictor:
    output = Slot(name=name, annotation=predictor.signature.outputs[0].annotation)
    signature = Signature(
        name=name,
        inputs=predictor.signature.inputs,
        outputs=(output,),
        instruction=predictor.signature.instruction,
    )
    demos = tuple(dataclasses.replace(demo, outputs={name: "y"}) for demo in predictor.demos)
    return dataclasses.replace(predictor, signature=signature, demos=demos)


@st.composite
def _predictor(draw: st.DrawFn) -> Predictor:
    kinds = draw(st.lists(st.sampled_from(TYPES), min_size=1, max_size=3))
    slots = tuple(Slot(name=f"field_{index}", annotation=kind) for index, kind in enumerate(kinds))
    if draw(st.booleans()):
        slots = (*slots[:-1], _optional(slots[-1]))
    demo = Demo(inputs={"field_0": "x"}, outputs={"answer": "y"}, origin="labelled")
    output = Slot(name="answer", annotation=draw(st.sampled_from(TYPES)))
    return Predictor(
        signature=Signature(name="step", inputs=slots, outputs=(output,), instruction=draw(st.text(max_size=20))),
        module=draw(st.sampled_from(MODULES)),
        demos=(demo,) * draw(st.integers(0, 2)),
        model=draw(st.sampled_from([None, "small"])),
        temperature=draw(st.sampled_from([None, 0.5, 1])),
        max_tokens=draw(st.sampled_from([None, 64])),
    )


def _optional(slot: Slot) -> Slot:
    return dataclasses.replace(slot, default=slot.read(SAMPLES[TYPES.index(slot.annotation)]))


@st.composite
def graphs(draw: st.DrawFn, *, bounded: bool = False, straight: bool = False, most: int = 8) -> Graph:
    """A legal graph.

    Args:
        draw: Given by hypothesis.
        bounded: Whether every map and loop states its bound.
        straight: Whether there are no regions.
        most: Most nodes of one region, not counting the constants they need.
    """
    known = draw(predictors())
    kinds = draw(st.lists(st.sampled_from(TYPES), min_size=1, max_size=3))
    inputs = tuple(Slot(name=f"input_{index}", annotation=kind) for index, kind in enumerate(kinds))
    signature = Signature(name="program", inputs=inputs, outputs=(Slot(name="program", annotation=Any),))
    writer = _Writer(draw, known, GraphBuilder("program", signature), bounded)
    last = writer.region(list(writer.g.inputs.values()), draw(st.integers(1, most)), depth=2 if not straight else 0)
    return writer.g.finish(last[-1], {name: known[name] for name in known if name in writer.sites})


class _Writer:
    def __init__(self, draw: st.DrawFn, known: dict[str, Predictor], g: GraphBuilder, bounded: bool) -> None:
        self.draw = draw
        self.known = known
        self.g = g
        self.bounded = bounded
        self.sites: dict[str, int] = {}

    def region(self, visible: list[Value], count: int, depth: int) -> list[Value]:
        """Adds nodes and returns what they made; there is always something."""
        made: list[Value] = []
        writers: list[Callable[[list[Value], int], Sequence[Value]]] = [self.step, self.step, self.op, self.expr]
        if depth:
            writers += [self.map, self.branch, self.loop, self.replicate]
        for _ in range(count):
            write = self.draw(st.sampled_from(writers))
            made += write([*visible, *made], depth)
        return made or [self.g.const("nothing")]

    def value(self, visible: list[Value], kind: Annotation) -> Value:
        """A visible value of the type, or a constant of it."""
        fitting = [value for value in visible if value.annotation == kind]
        return self.draw(st.sampled_from(fitting)) if fitting else self.g.const(SAMPLES[TYPES.index(kind)], kind)

    def step(self, visible: list[Value], _: int) -> Sequence[Value]:
        name = self.draw(st.sampled_from(list(self.known)))
        signature = self.known[name].signature
        inputs = {slot.name: self.value(visible, slot.annotation) for slot in signature.inputs}
        self.sites[name] = self.sites.get(name, 0) + 1
        site = name if self.sites[name] == 1 else f"{name}#{self.sites[name]}"
        return [self.g.step(site, name, signature, inputs)]

    def op(self, visible: list[Value], _: int) -> Sequence[Value]:
        given = {str(i): v for i, v in enumerate(self.draw(st.lists(st.sampled_from(visible), max_size=2)))}
        kind = self.draw(st.sampled_from(TYPES))
        name = f"look_up_{TYPES.index(kind)}"
        return [self.g.call(name, given, returns=kind, effects=self.draw(st.booleans()))]

    def expr(self, visible: list[Value], _: int) -> Sequence[Value]:
        value = self.draw(st.sampled_from(visible))
        return [self.g.expr(["call", "str", [["arg", 0]], {}], [value], str)]

    def bound(self) -> int | None:
        return self.draw(st.integers(0, 3) if self.bounded else st.none() | st.integers(0, 3))

    def body(self, visible: list[Value], depth: int, results: int) -> list[Value]:
        made = self.region(visible, self.draw(st.integers(0, 3)), depth - 1)
        return [self.draw(st.sampled_from([*visible, *made])) for _ in range(results)]

    def map(self, visible: list[Value], depth: int) -> Sequence[Value]:
        items, results = self.value(visible, list[Line]), self.draw(st.integers(1, 2))
        return self.g.map(items, lambda item: self.body([*visible, item], depth, results), bound=self.bound())

    def replicate(self, visible: list[Value], depth: int) -> Sequence[Value]:
        return self.g.replicate(self.draw(st.integers(1, 3)), lambda: self.body(visible, depth, 1))

    def branch(self, visible: list[Value], depth: int) -> Sequence[Value]:
        results = self.draw(st.integers(0, 2))
        condition = self.draw(st.sampled_from(visible))
        body = lambda: self.body(visible, depth, results)  # noqa: E731  the same for both arms
        return self.g.branch(condition, body, body)

    def loop(self, visible: list[Value], depth: int) -> Sequence[Value]:
        carried = self.draw(st.lists(st.sampled_from(visible), min_size=1, max_size=2))
        stops = self.draw(st.booleans())

        def body(item: Value, *given: Value) -> list[Value]:
            self.region([*visible, item, *given], self.draw(st.integers(0, 2)), depth - 1)
            flag = [self.g.const(False)] if stops else []
            return [*given, *flag]

        if self.draw(st.booleans()):
            return self.g.loop(carried, body, bound=self.draw(st.integers(1, 3)), stops=stops)
        items = self.value(visible, list[str])
        return self.g.loop(carried, body, items=items, bound=self.bound(), stops=stops)


SAMPLES: tuple[JSON, ...] = ("x", 1, "billing", "calm", {"what": "pen"}, ["a"], [{"what": "pen", "count": 2}])


def renamed(graph: Graph, prefix: str = "m") -> Graph:
    """The same graph under other node ids and references."""

    def ref(old: nodes.Ref) -> nodes.Ref:
        return nodes.Ref(prefix + old)

    def region(old: nodes.Region) -> nodes.Region:
        return nodes.Region(
            arguments=tuple(nodes.Argument(ref=ref(a.ref), annotation=a.annotation) for a in old.arguments),
            nodes=tuple(change(node) for node in old.nodes),
            results=tuple(ref(value) for value in old.results),
        )

    def change(node: nodes.Node) -> nodes.Node:
        return with_parts(node, ref=ref, region=region, id=NodeId(prefix + node.id))

    return dataclasses.replace(graph, nodes=tuple(change(node) for node in graph.nodes))
